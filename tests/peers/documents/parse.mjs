// Prints what the AsyncAPI parser finds wrong with the documents named, as JSON.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const found = [];
for (const path of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(await readFile(path, "utf8"));
  const wrong = diagnostics.filter((one) => one.severity < 2).map((one) => `${one.path.join("/")}: ${one.message}`);
  found.push({ path, messages: document?.allMessages().all().length ?? 0, wrong });
}
console.log(JSON.stringify(found));
