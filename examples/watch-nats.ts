/**
 * Watches a directory, with its sub-directories, through a running smb2nats, until Ctrl-C. A broken line, a restart of
 * NATS or of workers need no help; after a restart of this program it goes on where it stopped, if it kept the cursor.
 *
 *   npx tsx examples/watch-nats.ts nas1 /Photos nats://127.0.0.1:4222
 *
 * In a project of your own, import from "smb2nats/nats".
 */
import { AbortedError, connectWatchClient, FleetError } from "../src/nats.ts";

const [connection, path = "/", server = "nats://127.0.0.1:4222"] = process.argv.slice(2);
if (connection === undefined) {
  console.error("usage: npx tsx examples/watch-nats.ts CONNECTION [PATH] [nats://host:port]");
  process.exit(2);
}

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());
const { signal } = stop;

const client = await connectWatchClient({ broker: { servers: [server], name: "watch-nats" }, signal });
try {
  for await (const event of client.watch(connection, path, { recursive: true, signal })) {
    switch (event.type) {
      case "live":
        // From here on no change is missed: the time to take the first picture.
        console.log(`live: ${await count(path)} entries in ${path}`);
        break;
      case "changes":
        for (const { action, name, oldName } of event.changes) {
          console.log(`${action}: ${event.path} ${oldName === undefined ? name : `${oldName} -> ${name}`}`);
        }
        break;
      case "resync":
        console.log(`list ${event.path} (${event.scope}) again: ${event.reason}`);
        break;
      case "state":
        console.log(`${event.path} is ${event.state}`);
    }
  }
} catch (error) {
  if (!(error instanceof AbortedError)) {
    console.error(error instanceof FleetError ? `${error.failure}: ${error.message}` : error);
    process.exitCode = 1;
  }
} finally {
  await client.close();
}

/** All pages of a directory. */
async function count(directory: string): Promise<number> {
  let entries = 0;
  for (let after: string | undefined; ; ) {
    const request = { connection: connection as string, path: directory };
    const page = await client.list(after === undefined ? request : { ...request, after }, { signal });
    entries += page.entries.length;
    after = page.next;
    if (after === undefined) return entries;
  }
}
