import { z } from "zod";
import { describeError } from "../base/errors.ts";
import type { BrokerLink, CoreMessage } from "../broker/port.ts";
import { FleetError } from "./errors.ts";
import { SERVICE_ERROR_HEADER } from "./list-client.ts";
import { processSubject } from "./process-service.ts";
import type { Endpoint } from "./service.ts";

/** Asking the owner of a watch for a page of what it has told, and how pages of one listing hang together. */

/** A page of a directory as one owner has told it. */
export interface ToldListRequest {
  readonly connection: string;
  readonly path: string;
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

const Question: z.ZodType<ToldListRequest> = z.object({
  connection: z.string(),
  path: z.string(),
  after: z.string().optional(),
  limit: z.number().int().min(1).optional(),
});

/** The owner's side. @param answer - a page as JSON; `undefined`: it cannot be told, ask the file server */
export function toldListEndpoint(
  link: BrokerLink,
  lease: string,
  answer: (request: ToldListRequest, signal: AbortSignal) => Promise<Uint8Array | undefined>,
): Endpoint {
  return {
    name: "worker-list",
    subject: processSubject(link, "worker", lease, "list"),
    handle: async (request, signal) => {
      const parsed = Question.safeParse(request);
      if (!parsed.success) throw new FleetError("bad_message", "not a question for a listing");
      const page = await answer(parsed.data, signal);
      if (page === undefined) throw new FleetError("unreachable", "the directory cannot be told: list it");
      return page;
    },
  };
}

/** A page as JSON; `undefined` where the owner does not tell it. @throws FleetError `unreachable`, AbortedError */
export async function requestToldList(
  link: BrokerLink,
  lease: string,
  request: ToldListRequest,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<Uint8Array | undefined> {
  const question = new TextEncoder().encode(JSON.stringify(request));
  let message: CoreMessage;
  try {
    message = await link.request(processSubject(link, "worker", lease, "list"), question, options);
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    throw new FleetError("unreachable", `the owner does not answer: ${describeError(error)}`, error);
  }
  return message.header(SERVICE_ERROR_HEADER) === undefined ? message.data : undefined;
}

/** `/<listing>/<name>`: no name has a slash, so that a name of the caller's own is told apart from it. */
const TOKEN = /^\/([A-Za-z0-9_-]{1,32})\/(.*)$/s;
/** Of `after`, UTF-16 units: the longest name and what stands before it. */
export const MOST_AFTER = 300;

export interface ListToken {
  /** Of pages that belong together; where nobody knows it any more, the next page is of another instant. */
  readonly listing: string | undefined;
  /** The last one of the page before. */
  readonly name: string;
}

export function listToken(listing: string, name: string): string {
  return `/${listing}/${name}`;
}

export function readListToken(after: string): ListToken {
  const [, listing, name] = TOKEN.exec(after) ?? [];
  return { listing, name: name ?? after };
}
