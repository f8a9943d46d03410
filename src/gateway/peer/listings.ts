import { waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import type { FleetClient } from "../../fleet/port.ts";
import { RequestError, toRequestError } from "../errors.ts";
import { requestFacts } from "../facts.ts";
import type { Rights } from "../grants.ts";
import type { GatewayLimits, GatewayTimes, ServedConnection } from "../options.ts";
import type { Outbox } from "./outbox.ts";
import { echoId, errorFrame, type ListRequestFrame } from "./protocol.ts";
import { authorize } from "./subscriptions.ts";

export interface ListingsOptions {
  readonly fleet: FleetClient;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
  readonly times: GatewayTimes;
  readonly connection: (name: string) => ServedConnection | undefined;
  readonly rights: () => Rights;
  readonly outbox: Outbox;
  /** Fires when the socket is gone. */
  readonly signal: AbortSignal;
}

/** The `list` requests of one socket, a few at a time. */
export class Listings {
  readonly #options: ListingsOptions;
  #running = 0;

  constructor(options: ListingsOptions) {
    this.#options = options;
  }

  /** @throws RequestError, BadPathError where the request is refused at once. */
  start(request: ListRequestFrame): void {
    if (this.#running >= this.#options.limits.listsPerSocket) {
      throw new RequestError("limit", "too many listings at once");
    }
    this.#authorize(request);
    this.#running++;
    void this.#run(request).finally(() => {
      this.#running--;
    });
  }

  #authorize(request: ListRequestFrame): { readonly connection: ServedConnection; readonly path: string } {
    return authorize({ ...request, recursive: false }, this.#options.rights(), this.#options.connection);
  }

  /** Never rejects. */
  async #run(request: ListRequestFrame): Promise<void> {
    const { connection_id, path: asSent, after, fresh = false, id } = request;
    const { clock, fleet, outbox, signal, times } = this.#options;
    let outcome = "ok";
    try {
      const { connection, path } = this.#authorize(request);
      const listing = await waitFor(
        fleet.list(
          {
            connection: connection.name,
            path,
            ...(after === undefined ? {} : { after }),
            ...(fresh && { fresh }),
          },
          { signal },
        ),
        { signal, deadlineMs: times.listMs, clock, what: "listing" },
      );
      // The right may have been lost while the worker was reading.
      this.#authorize(request);
      const { entries, next } = listing;
      outbox.send({
        type: "listing",
        connection_id,
        path: asSent,
        entries,
        ...(next === undefined ? {} : { next }),
        ...echoId(id),
      });
    } catch (error) {
      if (signal.aborted) return;
      const answer = toRequestError(error);
      outcome = answer.answer;
      outbox.send(errorFrame(answer, { connection_id, path: asSent, ...echoId(id) }));
    }
    requestFacts.publish({ action: "list", outcome });
  }
}
