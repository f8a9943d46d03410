import { hostname } from "node:os";
import { canonicalPath } from "../../base/path.ts";
import type { ClientEvent } from "../../client/events.ts";
import { connectWatchClient } from "../../client/watch-client.ts";
import type { Context, Invocation } from "../command.ts";
import { type ExitCode, UsageError } from "../exit-codes.ts";
import { openExistingBroker } from "./broker.ts";
import { consume, consumerOptions } from "./consume.ts";
import { interruptible } from "./interruptible.ts";
import { type MirrorEvent, mirrorEvents } from "./mirror-events.ts";
import { natsOptions } from "./nats-options.ts";

/** `smb2nats watch` */
export async function runWatch(invocation: Invocation, context: Context): Promise<ExitCode> {
  const [connection = "", operand = ""] = invocation.operands;
  const path = canonicalPath(operand);
  if (invocation.flag("mirror") && invocation.text("since") !== undefined)
    throw new UsageError("--mirror begins with what is there: --since says nothing beside it");
  const options = consumerOptions(invocation, context);
  const { config, timeoutMs } = natsOptions(invocation, context);
  return interruptible(context, async ({ scope, signal }) =>
    consume<ClientEvent | MirrorEvent>({
      options,
      context,
      signal,
      open: async (signal) => {
        const broker = scope.use(await openExistingBroker(config.nats, "smb2nats watch", signal, timeoutMs));
        // Nobody comes back for it: the watch may end with us.
        const client = scope.use(await connectWatchClient({ broker, host: hostname(), lingerMs: 0, signal }));
        const since = invocation.text("since");
        const recursive = invocation.flag("recursive");
        if (invocation.flag("mirror")) {
          return mirrorEvents(client.mirror(connection, path, { recursive, signal }), signal);
        }
        return client.watch(connection, path, {
          recursive,
          signal,
          ...(since === undefined ? {} : { since }),
        });
      },
      shown: (event) => (event.type === "live" ? { ...event, path } : event),
      written: (event) => event,
    }),
  );
}
