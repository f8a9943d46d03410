import { hostname } from "node:os";
import { canonicalPath } from "../../base/path.ts";
import { connectWatchClient } from "../../client/watch-client.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { loadFor } from "../load-config.ts";
import { openExistingBroker } from "./broker.ts";
import { interruptible } from "./interruptible.ts";
import { printEvent } from "./print-event.ts";

/** `smb2nats watch` */
export async function runWatch(invocation: Invocation, context: Context): Promise<ExitCode> {
  const [connection = "", operand = ""] = invocation.operands;
  const path = canonicalPath(operand);
  const { config } = loadFor(invocation, context);
  const { out } = context;
  return interruptible(context, async ({ scope, signal }) => {
    const broker = scope.use(await openExistingBroker(config.nats, "smb2nats watch", signal));
    // Nobody comes back for it: the watch may end with us.
    const client = scope.use(await connectWatchClient({ broker, host: hostname(), lingerMs: 0, signal }));
    const since = invocation.text("since");
    const events = client.watch(connection, path, {
      recursive: invocation.flag("recursive"),
      signal,
      ...(since === undefined ? {} : { since }),
    });
    for await (const event of events) {
      if (invocation.flag("json")) out.json(event);
      else printEvent(out, event.type === "live" ? { type: "live", path } : event);
    }
    return EXIT.ok;
  });
}
