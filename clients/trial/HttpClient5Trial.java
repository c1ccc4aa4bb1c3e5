import java.net.URI;
import org.apache.hc.client5.http.classic.methods.HttpUriRequestBase;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.http.io.entity.StringEntity;

/** Apache HttpClient 5, classic, as it comes. */
public class HttpClient5Trial {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClients.createDefault();
        Trial.run((method, uri) -> send(client, method, uri));
    }

    static int send(CloseableHttpClient client, String method, URI uri) throws Exception {
        var request = new HttpUriRequestBase(method, uri);
        if (method.equals("POST")) {
            request.setEntity(new StringEntity(Trial.BODY));
        }
        return client.execute(request, response -> {
            EntityUtils.consume(response.getEntity());
            return response.getCode();
        });
    }
}
