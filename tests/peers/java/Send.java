import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;

/** Sends one event in binary and one in structured mode with the CloudEvents SDK, and prints the statuses. */
public final class Send {
    public static void main(String[] args) throws IOException {
        List<Integer> statuses = new ArrayList<>();
        for (String name : List.of("java-binary", "java-structured")) {
            HttpURLConnection connection = (HttpURLConnection) URI.create(args[0] + "/v1/events").toURL().openConnection();
            connection.setRequestMethod("POST");
            connection.setRequestProperty("Authorization", "Bearer " + args[1]);
            connection.setDoOutput(true);
            MessageWriter<?, ?> writer = HttpMessageFactory.createWriter(
                connection::setRequestProperty, body -> write(connection, body));
            if (name.equals("java-binary")) {
                writer.writeBinary(event(name, args[2]));
            } else {
                writer.writeStructured(event(name, args[2]), JsonFormat.CONTENT_TYPE);
            }
            statuses.add(connection.getResponseCode());
        }
        System.out.println(statuses);
    }

    private static CloudEvent event(String id, String customer) {
        String data = "{\"customer_id\": \"" + customer + "\", \"contact_id\": \"java-1\", \"channel\": \"email\"}";
        return CloudEventBuilder.v1()
            .withId(id)
            .withSource(URI.create("/crm/java"))
            .withType("contact.received")
            .withTime(OffsetDateTime.now(ZoneOffset.UTC))
            .withData("application/json", data.getBytes(StandardCharsets.UTF_8))
            .build();
    }

    private static void write(HttpURLConnection connection, byte[] body) {
        try {
            connection.getOutputStream().write(body);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
