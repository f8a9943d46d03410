/**
 * Watches one directory of an SMB share, with its sub-directories, until Ctrl-C:
 *
 *   SMB_USERNAME=ann SMB_PASSWORD=… npx tsx examples/watch.ts //nas/media/Photos
 *
 * In a project of your own, import from "smb2nats".
 */
import { SmbClient, SourceError } from "../src/index.ts";

const match = /^\/\/([^/:]+)(?::(\d+))?\/([^/]+)(\/.*)?$/.exec(process.argv[2] ?? "");
if (match === null) {
  console.error(
    "usage: SMB_USERNAME=… SMB_PASSWORD=… npx tsx examples/watch.ts //server[:port]/share[/path]",
  );
  process.exit(2);
}
const [, server = "", port = "445", share = "", path = "/"] = match;

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());

try {
  await using client = await SmbClient.connect(
    {
      server,
      port: Number(port),
      share,
      username: process.env["SMB_USERNAME"] ?? "",
      password: process.env["SMB_PASSWORD"] ?? "",
    },
    { signal: stop.signal },
  );
  for await (const event of client.watch(path, { recursive: true, signal: stop.signal })) {
    switch (event.type) {
      case "live": {
        // From here on no change is missed: the time to take the first picture.
        let entries = 0;
        for await (const _ of client.list(path)) entries++;
        console.log(`live: ${entries} entries in ${path}`);
        break;
      }
      case "changes":
        for (const { action, name, oldName } of event.changes) {
          console.log(`${action} ${event.path} ${oldName === undefined ? "" : `${oldName} -> `}${name}`);
        }
        break;
      case "resync":
        console.log(`list ${event.path} again (${event.scope}): ${event.reason}`);
        break;
      case "state":
        console.log(`${event.state}, by ${event.mode}${event.error === undefined ? "" : `: ${event.error}`}`);
    }
  }
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof SourceError ? `${error.failure}: ${error.message}` : error);
    process.exitCode = 1;
  }
}
