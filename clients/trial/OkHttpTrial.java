import java.net.URI;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;

/** OkHttp as it comes. */
public class OkHttpTrial {
    public static void main(String[] arguments) throws Exception {
        var client = new OkHttpClient();
        Trial.run((method, uri) -> send(client, method, uri));
    }

    static int send(OkHttpClient client, String method, URI uri) throws Exception {
        var body = method.equals("POST")
            ? RequestBody.create(MediaType.get("text/plain"), Trial.BODY)
            : null;
        var request = new Request.Builder().url(uri.toURL()).method(method, body).build();
        try (var response = client.newCall(request).execute()) {
            response.body().bytes();
            return response.code();
        }
    }
}
