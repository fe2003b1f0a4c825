// Sends one event in each mode that the JavaScript SDK has, and prints the statuses as JSON.
import { CloudEvent, HTTP } from "cloudevents";

const [, , intake, key, customer] = process.argv;

async function send(message) {
  const response = await fetch(`${intake}/v1/events`, {
    method: "POST",
    headers: { ...message.headers, authorization: `Bearer ${key}` },
    body: typeof message.body === "string" ? message.body : JSON.stringify(message.body),
  });
  return response.status;
}

const event = (id) =>
  new CloudEvent({
    id,
    source: "/crm/js",
    type: "contact.received",
    time: new Date().toISOString(),
    data: { customer_id: customer, contact_id: "js-1", channel: "chat" },
  });

console.log(JSON.stringify([await send(HTTP.binary(event("js-binary"))), await send(HTTP.structured(event("js-structured")))]));
