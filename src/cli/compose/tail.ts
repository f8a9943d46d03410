import { systemClock } from "../../base/clock.ts";
import { type StreamEvent, WatchStream } from "../../share/watch-stream.ts";
import type { Late } from "../../watch/events.ts";
import { SourceError } from "../../watch/source.ts";
import type { Context, Invocation } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { numberOption } from "../number-option.ts";
import { consume, consumerOptions } from "./consume.ts";
import { explainWatch } from "./explain-watch.ts";
import { firstContact } from "./first-contact.ts";
import { interruptible } from "./interruptible.ts";
import { nameShare, openNamedShare } from "./open-share.ts";

/** `smb2nats tail` */
export async function runTail(invocation: Invocation, context: Context): Promise<ExitCode> {
  const options = consumerOptions(invocation, context);
  const seconds = numberOption(invocation, "ready", { min: 0.1, max: 3_600 });
  const readyMs = seconds === undefined ? undefined : Math.round(seconds * 1_000);
  const named = await nameShare(invocation.operands[0] ?? "", invocation, context);
  const { name, share, settings, where } = openNamedShare(named, context);
  const { path } = named.argument;
  return interruptible(context, async ({ scope, signal }) => {
    scope.use(share);
    // What goes wrong before has been explained where it was found: a login, a share.
    let met = false;
    try {
      return await consume<StreamEvent>({
        options,
        context,
        signal,
        open: async (signal) => {
          await firstContact(share, { connection: name, where, username: settings.username, signal });
          met = true;
          return new WatchStream(share.watches, path, {
            recursive: invocation.flag("recursive"),
            stat: invocation.flag("stat"),
            ready: readyMs === undefined ? "off" : { quietMs: readyMs },
            signal,
          });
        },
        shown: (event) => event,
        written,
      });
    } catch (error) {
      throw met && error instanceof SourceError ? explainWatch(error, where, path) : error;
    }
  });
}

function lateOf({ late }: { readonly late?: Late }): { readonly late?: Late } {
  return late === undefined ? {} : { late };
}

/** Field order is the order people read in. */
function written(event: StreamEvent): unknown {
  const time = new Date(systemClock.now()).toISOString();
  switch (event.type) {
    case "live":
      return { type: "live", path: event.path, ...lateOf(event), time };
    case "changes":
      return { type: "changes", path: event.path, changes: event.changes, via: event.via, time };
    case "resync":
      return { type: "resync", path: event.path, scope: event.scope, reason: event.reason, time };
    case "state": {
      const { path, state, mode, error } = event;
      const why = error === undefined ? {} : { error };
      return { type: "state", path, state, mode, ...why, ...lateOf(event), time };
    }
  }
}
