// Asks for each path that comes on a line of standard input, and answers with a line: [status, text].
import { createInterface } from "node:readline";

const [base, headers] = process.argv.slice(2);
for await (const path of createInterface({ input: process.stdin })) {
  try {
    const answer = await fetch(base + path, { headers: JSON.parse(headers) });
    console.log(JSON.stringify([answer.status, await answer.text()]));
  } catch {
    console.log(JSON.stringify([0, ""]));
  }
}
