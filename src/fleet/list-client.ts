import { type Deferred, deferred } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import type { BrokerLink } from "../broker/port.ts";
import { FleetError, failureOf, isFleetErrorCode } from "./errors.ts";
import type { ListedEntry, Listing, ListingPosition, ListRequest, StatAnswer, StatRequest } from "./port.ts";

export const LIST_ENDPOINT = "directory.list";
export const STAT_ENDPOINT = "directory.stat";
/** Header of an error answer (NATS micro services): the contract's code. */
export const SERVICE_ERROR_HEADER = "Nats-Service-Error";
export const SERVICE_ERROR_CODE_HEADER = "Nats-Service-Error-Code";

/** Without an answer for this long the question is put again, then after twice as long, and so on. */
const AGAIN_MS = 2_500;

/**
 * Asks any worker for one page of a directory. A worker that dies or freezes with the question in hand never answers:
 * the question goes out again in time, and the first answer counts.
 * @throws FleetError, AbortedError
 */
export async function requestList(
  link: BrokerLink,
  request: ListRequest,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMs: number;
    readonly clock?: Clock;
  },
): Promise<Listing> {
  const { signal, timeoutMs, clock = systemClock } = options;
  const done = new AbortController();
  const signals = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
  const first: Deferred<Record<string, unknown>> = deferred();
  const began = clock.monotonic();
  let cancel = (): void => undefined;
  const ask = (againMs: number): void => {
    const left = timeoutMs - (clock.monotonic() - began);
    requestService(link, link.subjects.control(LIST_ENDPOINT), request, {
      signal: signals,
      timeoutMs: left,
    }).then(first.resolve, first.reject);
    if (againMs < left) cancel = clock.after(againMs, () => ask(againMs * 2));
  };
  ask(AGAIN_MS);
  let answer: Record<string, unknown>;
  try {
    answer = await first.promise;
  } finally {
    cancel();
    done.abort();
  }
  const { entries, next, position } = answer as { entries?: unknown; next?: unknown; position?: unknown };
  if (!Array.isArray(entries) || (next !== undefined && typeof next !== "string")) {
    throw new FleetError("internal", "a worker's listing cannot be read");
  }
  return {
    entries: entries as ListedEntry[],
    ...(next === undefined ? {} : { next }),
    ...(isPosition(position) ? { position } : {}),
  };
}

function isPosition(value: unknown): value is ListingPosition {
  const { epoch, told } = (value ?? {}) as { epoch?: unknown; told?: unknown };
  return typeof epoch === "string" && Number.isSafeInteger(told);
}

/** Asks any worker what a number of directories are. Not put again: whoever asks can do without. @throws FleetError, AbortedError */
export async function requestStat(
  link: BrokerLink,
  request: StatRequest,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<readonly StatAnswer[]> {
  const { answers } = await requestService(link, link.subjects.control(STAT_ENDPOINT), request, options);
  const known = (answer: unknown): boolean =>
    answer === "directory" || (typeof answer === "string" && isFleetErrorCode(answer));
  if (!Array.isArray(answers) || answers.length !== request.paths.length || !answers.every(known)) {
    throw new FleetError("internal", "a worker's answer cannot be read");
  }
  return answers as StatAnswer[];
}

/** One JSON request to the micro service. @throws FleetError, AbortedError */
export async function requestService(
  link: BrokerLink,
  subject: string,
  request: unknown,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<Record<string, unknown>> {
  let message: Awaited<ReturnType<BrokerLink["request"]>>;
  try {
    message = await link.request(subject, new TextEncoder().encode(JSON.stringify(request)), options);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ABORTED") throw error;
    const text = code === "BROKER_NO_JETSTREAM" ? "no worker is there" : "no worker answered";
    throw new FleetError("unreachable", text, error);
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(message.data));
  } catch {
    body = undefined;
  }
  const failure = message.header(SERVICE_ERROR_HEADER);
  if (failure !== undefined) {
    const { error } = (body ?? {}) as { error?: { message?: unknown } };
    const text = typeof error?.message === "string" ? error.message : "a worker refused";
    throw new FleetError(failureOf(failure), text);
  }
  if (typeof body !== "object" || body === null) {
    throw new FleetError("internal", "a worker's answer is not JSON");
  }
  return body as Record<string, unknown>;
}
