import java.net.URI;
import java.util.UUID;
import org.apache.http.impl.client.DefaultConnectionKeepAliveStrategy;
import org.apache.http.impl.client.HttpClients;
import org.springframework.http.HttpEntity;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.MediaType;
import org.springframework.http.client.HttpComponentsClientHttpRequestFactory;
import org.springframework.web.client.RestTemplate;

/**
 * Spring's RestTemplate over Apache HttpClient 4, as the service of the incident has it. With
 * HALFOPEN_KEEP_ALIVE_S, an idle connection is kept for no longer than so many seconds.
 */
public class RestTemplateTrial {
    public static void main(String[] arguments) throws Exception {
        var template = template();
        Trial.run((method, uri) -> send(template, HttpMethod.valueOf(method), uri));
    }

    static RestTemplate template() {
        var cap = System.getenv("HALFOPEN_KEEP_ALIVE_S");
        var factory = cap == null
            ? new HttpComponentsClientHttpRequestFactory()
            : capped((long) (Double.parseDouble(cap) * 1000));
        factory.setConnectTimeout(1_000);
        factory.setReadTimeout(10_000);
        factory.setConnectionRequestTimeout(1_000);
        var template = new RestTemplate();
        template.setRequestFactory(factory);
        return template;
    }

    /** A charge as the payment module takes it. */
    static HttpEntity<String> order() {
        var headers = new HttpHeaders();
        headers.setContentType(MediaType.APPLICATION_JSON);
        headers.set("Idempotency-Key", "\"" + UUID.randomUUID() + "\"");
        var order = "{'subscription':'c17','period':'2024-01','amount':9900,'currency':'KRW'}";
        return new HttpEntity<>(order.replace('\'', '"'), headers);
    }

    static HttpComponentsClientHttpRequestFactory capped(long limit) {
        var hints = DefaultConnectionKeepAliveStrategy.INSTANCE;
        var client = HttpClients.custom().useSystemProperties()
            .setKeepAliveStrategy((response, context) -> {
                var hint = hints.getKeepAliveDuration(response, context);
                return hint < 0 ? limit : Math.min(hint, limit);
            })
            .build();
        return new HttpComponentsClientHttpRequestFactory(client);
    }

    static int send(RestTemplate template, HttpMethod method, URI uri) {
        var body = method == HttpMethod.POST ? order() : null;
        return template.exchange(uri, method, body, String.class).getStatusCodeValue();
    }
}
