import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

/** Two requests with a second between them: java Trial.java url-connection|http-client METHOD URL. */
public class Trial {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        for (var path : new String[] {"/first", "/second"}) {
            var uri = URI.create(arguments[2] + path);
            if (arguments[0].equals("http-client")) {
                send(client, arguments[1], uri);
            } else {
                send(arguments[1], uri);
            }
            if (path.equals("/first")) {
                Thread.sleep(1000);
            }
        }
        System.exit(0);
    }

    static void send(HttpClient client, String method, URI uri) throws Exception {
        var body = method.equals("POST") ? BodyPublishers.ofString("ten won") : BodyPublishers.noBody();
        var request = HttpRequest.newBuilder(uri).version(HttpClient.Version.HTTP_1_1);
        client.send(request.method(method, body).build(), BodyHandlers.ofString());
    }

    static void send(String method, URI uri) throws Exception {
        var connection = (HttpURLConnection) uri.toURL().openConnection();
        connection.setRequestMethod(method);
        if (method.equals("POST")) {
            connection.setDoOutput(true);
            connection.getOutputStream().write("ten won".getBytes());
        }
        try (var answer = connection.getInputStream()) {
            answer.readAllBytes();
        }
    }
}
