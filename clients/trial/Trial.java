import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Requests in runs with a pause between them; README.md has the environment. */
public class Trial {
    static final String BODY = "ten won";

    /** Sends a request and returns the status of its response. */
    interface Sender {
        int send(String method, URI uri) throws Exception;
    }

    /** What the JDK has: java Trial.java url-connection|http-client. */
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        run(arguments[0].equals("http-client")
            ? (method, uri) -> byHttpClient(client, method, uri)
            : Trial::byUrlConnection);
    }

    static void run(Sender sender) throws Exception {
        var uri = URI.create(System.getenv("HALFOPEN_URL"));
        var method = setting("HALFOPEN_METHOD", "GET");
        var pause = (long) (Double.parseDouble(setting("HALFOPEN_PAUSE_S", "1")) * 1000);
        var runs = Integer.parseInt(setting("HALFOPEN_RUNS", "2"));
        var requests = Integer.parseInt(setting("HALFOPEN_REQUESTS", "1"));
        var failed = 0;
        for (var run = 0; run < runs; run++) {
            if (run > 0) {
                Thread.sleep(pause);
            }
            for (var request = 0; request < requests; request++) {
                try {
                    System.out.println(sender.send(method, uri));
                } catch (Exception error) {
                    failed = 1;
                    System.out.println(error);
                }
            }
        }
        // Clients leave threads behind.
        System.exit(failed);
    }

    static String setting(String name, String usual) {
        return System.getenv().getOrDefault(name, usual);
    }

    static int byHttpClient(HttpClient client, String method, URI uri) throws Exception {
        var body = method.equals("POST") ? BodyPublishers.ofString(BODY) : BodyPublishers.noBody();
        var request = HttpRequest.newBuilder(uri).version(HttpClient.Version.HTTP_1_1);
        return client.send(request.method(method, body).build(), BodyHandlers.ofString())
            .statusCode();
    }

    static int byUrlConnection(String method, URI uri) throws Exception {
        var connection = (HttpURLConnection) uri.toURL().openConnection();
        connection.setRequestMethod(method);
        if (method.equals("POST")) {
            connection.setDoOutput(true);
            connection.getOutputStream().write(BODY.getBytes());
        }
        try (var answer = connection.getInputStream()) {
            answer.readAllBytes();
        }
        return connection.getResponseCode();
    }
}
