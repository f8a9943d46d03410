import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { describeError } from "../../base/errors.ts";
import { canonicalPath } from "../../base/path.ts";
import { printable } from "../../base/printable.ts";
import { isConnectionName } from "../../broker/subjects.ts";
import { Endpoint } from "../../gateway/auth/index.ts";
import { TokenError } from "../../gateway/errors.ts";
import type { ConnectionConfig } from "../../ops/config/index.ts";
import { readSecretFile } from "../../ops/secrets.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode, RefusedError, UnavailableError, UsageError } from "../exit-codes.ts";
import { loadFor } from "../load-config.ts";

const TIMEOUT_MS = 15_000;
const SMB_PORT = 445;

/** One entry of Sambee's `GET /api/connections` (1.0.9, `ConnectionRead`), as far as it concerns us. */
const sambeeList = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    type: z.string(),
    host: z.string(),
    port: z.number().int().nullish(),
    share_name: z.string().nullish(),
    username: z.string().nullish(),
    path_prefix: z.string().nullish(),
  }),
);

/** What the application says of a connection. */
interface Imported {
  readonly id: string;
  /** For people. */
  readonly title: string;
  readonly server: string;
  readonly port: number;
  readonly share: string;
  readonly root: string;
  readonly username: string | undefined;
  readonly domain: string | undefined;
}

/** `smb2nats connections import` */
export async function runImport(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { out } = context;
  const { imported, skipped } = readList(await fetchList(invocation));
  for (const why of skipped) out.say(`left out: ${why}`);
  return invocation.flag("check")
    ? compare(imported, invocation, context)
    : print(imported, invocation, context);
}

async function fetchList(invocation: Invocation): Promise<unknown> {
  const from = needed(invocation, "from");
  if (from !== "sambee") throw new UsageError(`--from ${JSON.stringify(from)} is not known: there is sambee`);
  const caFile = invocation.text("ca-file");
  const endpoint = new Endpoint({
    mode: "ask",
    url: listUrl(needed(invocation, "url")),
    grants: { list: "", connection: "" },
    ...(caFile === undefined ? {} : { ca: await readFile(caFile, "utf8") }),
  });
  const { secret } = await readSecretFile(needed(invocation, "token-file"));
  try {
    return await endpoint.ask(secret.reveal(), AbortSignal.timeout(TIMEOUT_MS));
  } catch (error) {
    if (error instanceof TokenError)
      throw new RefusedError(`Sambee refuses the token: ${error.message}`, error);
    throw new UnavailableError(`Sambee's list cannot be read: ${describeError(error)}`, error);
  } finally {
    endpoint.close();
  }
}

/** Where Sambee is, or its list itself. @throws UsageError */
function listUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError("--url is not a URL");
  }
  if (!/^https?:$/.test(url.protocol)) throw new UsageError("--url is neither http nor https");
  if (url.username !== "" || url.password !== "")
    throw new UsageError("--url holds a password: it would be seen by all");
  if (url.pathname === "/") url.pathname = "/api/connections";
  return url.href;
}

function needed(invocation: Invocation, name: string): string {
  const value = invocation.text(name);
  if (value === undefined || value === "") throw new UsageError(`--${name} is missing`);
  return value;
}

function readList(answer: unknown): {
  readonly imported: readonly Imported[];
  readonly skipped: readonly string[];
} {
  const list = sambeeList.safeParse(answer);
  if (!list.success) throw new UnavailableError("Sambee's list is not of the form that is known");
  const imported: Imported[] = [];
  const skipped: string[] = [];
  for (const { id, name, type, host, port, share_name, username, path_prefix } of list.data) {
    const title = printable(name);
    if (type !== "smb") skipped.push(`${title}: its type is ${printable(type)}, not smb`);
    else if (!isConnectionName(id))
      skipped.push(`${title}: its id ${printable(id)} cannot be a connection's name`);
    else if (!share_name) skipped.push(`${title}: it names no share`);
    else {
      const [, domain, account] = /^([^\\]+)\\(.+)$/.exec(username ?? "") ?? [];
      const root = rootOf(path_prefix ?? "");
      if (root === undefined) skipped.push(`${title}: its path prefix cannot be a root`);
      else {
        imported.push({
          id,
          title,
          server: host,
          port: port ?? SMB_PORT,
          share: share_name,
          root,
          username: account ?? username ?? undefined,
          domain,
        });
      }
    }
  }
  return { imported: imported.sort((a, b) => (a.title < b.title ? -1 : 1)), skipped };
}

/** Sambee takes either slash. */
function rootOf(prefix: string): string | undefined {
  try {
    return canonicalPath(prefix.replaceAll("\\", "/"));
  } catch {
    return undefined;
  }
}

function print(imported: readonly Imported[], invocation: Invocation, { out }: Context): ExitCode {
  const dir = invocation.text("secrets-dir") ?? "/run/secrets";
  const sections = imported.map((one): readonly [Imported, object] => [one, sectionOf(one, dir)]);
  if (invocation.flag("json")) {
    out.json({ connections: Object.fromEntries(sections.map(([{ id }, section]) => [id, section])) });
  } else {
    out.data(imported.length === 0 ? "connections: {}" : "connections:");
    for (const [{ id, title }, section] of sections) {
      out.data(`  # ${title}`);
      out.data(
        stringify({ [id]: section })
          .trimEnd()
          .replaceAll(/^/gm, "  "),
      );
    }
  }
  const files = imported.map(({ id }) => join(dir, id)).filter((file) => !existsSync(file));
  if (files.length > 0)
    out.say(`still missing: ${files.length} file(s) with a password, such as ${files[0]}`);
  for (const { title, username } of imported)
    if (!username) out.say(`still missing: the account of ${title}`);
  return EXIT.ok;
}

function sectionOf({ domain, id, port, root, server, share, username }: Imported, dir: string): object {
  return {
    server,
    ...(port === SMB_PORT ? {} : { port }),
    share,
    ...(root === "/" ? {} : { root }),
    ...(username === undefined ? {} : { username }),
    ...(domain === undefined ? {} : { domain }),
    passwordFile: join(dir, id),
  };
}

function compare(imported: readonly Imported[], invocation: Invocation, context: Context): ExitCode {
  const { out } = context;
  const { connections } = loadFor(invocation, context).config;
  const differences = imported.flatMap((one) => {
    const configured = connections[one.id];
    if (configured === undefined) return [{ connection: one.id, name: one.title, what: "missing" }];
    return differing(one, configured).map((what) => ({ connection: one.id, name: one.title, what }));
  });
  const known = new Set(imported.map(({ id }) => id));
  // Other connections may be nobody's but ours: only Sambee's ids are UUIDs.
  const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
  for (const name of Object.keys(connections)) {
    if (uuid.test(name) && !known.has(name)) {
      differences.push({
        connection: name,
        name: "",
        what: "left over: the token's user sees none of this id",
      });
    }
  }
  if (invocation.flag("json")) out.json({ ok: differences.length === 0, differences });
  else {
    for (const { connection, name, what } of differences) {
      out.data(`${connection}${name === "" ? "" : ` (${name})`}: ${what}`);
    }
    if (differences.length === 0) out.data(`ok: ${imported.length} connections`);
  }
  return differences.length === 0 ? EXIT.ok : EXIT.failure;
}

function differing(one: Imported, configured: ConnectionConfig): string[] {
  const [, host = "", port] = /^(.*?)(?::(\d+))?$/.exec(configured.server) ?? [];
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ["server", host.toLowerCase(), one.server.toLowerCase()],
    ["port", port === undefined ? configured.port : Number(port), one.port],
    ["share", configured.share.toLowerCase(), one.share.toLowerCase()],
    ["root", configured.root, one.root],
    ["username", configured.username, one.username],
  ];
  return rows.flatMap(([key, ours, theirs]) =>
    ours === theirs
      ? []
      : [`${key} is ${printable(String(ours))} here and ${printable(String(theirs))} there`],
  );
}
