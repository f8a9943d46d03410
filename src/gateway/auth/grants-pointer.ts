import type { Grant } from "../grants.ts";
import { MAX_GRANTS } from "../grants.ts";
import type { AskOptions } from "../options.ts";
import { EndpointError } from "./endpoint.ts";

/** What holds of a connection that the application names without a path. */
const WHOLE = "/**";

/**
 * An application's answer as grants: the list at `list`, of each item the connection and the path at their pointers (RFC 6901).
 * @throws EndpointError where the answer is not of that form: no part of it is believed then
 */
export function grantsIn(answer: unknown, { list, connection, path }: AskOptions["grants"]): Grant[] {
  const items = at(answer, list);
  if (!Array.isArray(items)) throw new EndpointError("the application's answer has no list of grants");
  if (items.length > MAX_GRANTS)
    throw new EndpointError(`the application's answer has over ${MAX_GRANTS} grants`);
  return items.map((item: unknown) => {
    const name = textAt(item, connection);
    // Users may choose names in the application: one that is called `*` must not be all connections.
    if (name === "" || name.includes("*"))
      throw new EndpointError("the application's answer names no connection");
    return { connection: name, path: path === undefined ? WHOLE : textAt(item, path) };
  });
}

function textAt(item: unknown, pointer: string): string {
  const found = at(item, pointer);
  if (typeof found !== "string") {
    throw new EndpointError("a grant in the application's answer is not as configured");
  }
  return found;
}

/** RFC 6901; `undefined` where the pointer leads nowhere. */
function at(value: unknown, pointer: string): unknown {
  let here: unknown = value;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Readonly<Record<string, unknown>>)[key];
  }
  return here;
}
