import { type Msg, type MsgHdrs, MsgHdrsImpl } from "@nats-io/transport-node";

/**
 * The names are ours. The client's `set` looks each up among those there are, and builds it anew letter by letter: of what
 * lies between sealing a message and handing it to the socket, a quarter.
 * @throws InvalidArgumentError for a value with a line break
 */
export function toNatsHeaders(values: Readonly<Record<string, string>>): MsgHdrs {
  const headers = new MsgHdrsImpl();
  for (const name in values) headers.headers.set(name, [MsgHdrsImpl.validHeaderValue(values[name] ?? "")]);
  return headers;
}

/** What the client's `get` finds, by name and not by going through all of them: a message is asked for ten. */
export function headerOf({ headers }: Pick<Msg, "headers">, name: string): string | undefined {
  if (headers instanceof MsgHdrsImpl) return headers.headers.get(name)?.[0];
  return headers?.has(name) === true ? headers.get(name) : undefined;
}
