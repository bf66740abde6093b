// java.net.http.HttpClient: java Client.java CASE URL CERT
import java.io.FileInputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.Random;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Client {
  static HttpClient client;
  static String url;

  static void expect(String what, Object seen, Object wanted) {
    if (!seen.equals(wanted)) throw new AssertionError(what + ": " + seen + ", not " + wanted);
  }

  static HttpRequest request(String path, BodyPublisher body) {
    return HttpRequest.newBuilder(URI.create(url + path)).POST(body).build();
  }

  static <T> HttpResponse<T> check(HttpResponse<T> answer) {
    expect("the version", answer.version(), HttpClient.Version.HTTP_2);
    expect("the status", answer.statusCode(), 200);
    return answer;
  }

  static byte[] post(String path, byte[] body) throws Exception {
    return check(client.send(request(path, BodyPublishers.ofByteArray(body)), BodyHandlers.ofByteArray())).body();
  }

  static String post(String path, String body) throws Exception {
    return new String(post(path, body.getBytes()), StandardCharsets.UTF_8);
  }

  static void unary() throws Exception {
    expect("what came back", post("/echo", "hello"), "hello");
  }

  static void tenMegabytes() throws Exception {
    var sent = new byte[10_000_000];
    new Random().nextBytes(sent);
    expect("the bytes come back", Arrays.equals(post("/echo", sent), sent), true);
  }

  static void halfCloseOursFirst() throws Exception {
    expect("the count", post("/sink", "some bytes"), "10\n");
  }

  static void resetByServer() throws Exception {
    try {
      post("/reset/CANCEL?after=5", "hello");
    } catch (IOException error) {
      var words = new StringWriter();
      error.printStackTrace(new PrintWriter(words));
      expect("a reset: " + words, words.toString().contains("RST_STREAM"), true);
      unary();
      return;
    }
    throw new AssertionError("it was not reset");
  }

  static SSLContext trust(String file) throws Exception {
    var store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null);
    try (var in = new FileInputStream(file)) {
      store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    var context = SSLContext.getInstance("TLS");
    context.init(null, factory.getTrustManagers(), null);
    return context;
  }

  public static void main(String[] arguments) throws Exception {
    url = arguments[1];
    client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).sslContext(trust(arguments[2])).build();
    switch (arguments[0]) {
      case "unary" -> unary();
      case "ten_megabytes" -> tenMegabytes();
      case "half_close_ours_first" -> halfCloseOursFirst();
      case "reset_by_server" -> resetByServer();
      default -> throw new AssertionError("there is no such case");
    }
    System.out.println(arguments[0] + " passed");
    System.exit(0);
  }
}
