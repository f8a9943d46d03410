import { foldCase } from "../base/path.ts";

/** A place on a file server: where a DFS target points to, or a link stands. */
export interface DfsLocation {
  readonly host: string;
  /** Where it is not 445. */
  readonly port: number;
  readonly share: string;
  /** Directory below the share, one name each. */
  readonly names: readonly string[];
}

const SMB_PORT = 445;

/**
 * Reads a NetworkAddress of a referral: `\host\share\dir`, with one leading backslash (MS-DFSC 2.2.5.3). A port
 * after the host is no part of the standard; Samba passes on what its link says, and Windows has none.
 * `undefined` for what names no share.
 */
export function parseNetworkAddress(address: string): DfsLocation | undefined {
  const [authority = "", share = "", ...names] = address.split("\\").filter((part) => part !== "");
  const match = /^([^:]+):(\d{1,5})$/.exec(authority);
  const host = match?.[1] ?? authority;
  const port = match === null ? SMB_PORT : Number(match[2]);
  if (host === "" || share === "" || port > 0xffff || port === 0) return undefined;
  if ([host, share, ...names].some((part) => part === "." || part === ".." || /[\0/]/.test(part))) {
    return undefined;
  }
  return { host, port, share, names };
}

/** `//host:port/share/dir`, for people. */
export function formatLocation({ host, port, share, names }: DfsLocation): string {
  const authority = host.includes(":") ? `[${host}]` : host;
  return `//${authority}${port === SMB_PORT ? "" : `:${port}`}/${[share, ...names].join("/")}`;
}

/** Names the server and share, for tables. */
export function shareKey({ host, port, share }: DfsLocation): string {
  return foldCase(`${host}:${port}/${share}`);
}

/** Whether `inner` is `outer` or lies below it. Names are compared as most servers do, without case. */
export function contains(outer: DfsLocation, inner: DfsLocation): boolean {
  return (
    shareKey(outer) === shareKey(inner) &&
    outer.names.length <= inner.names.length &&
    outer.names.every((name, index) => foldCase(name) === foldCase(inner.names[index] ?? ""))
  );
}

/**
 * How many names of `\host\share\a\b` a referral stands for, after host and share. `undefined` where
 * PathConsumed does not end between two names of the path that was asked for (MS-DFSC 3.1.5.4.5).
 */
export function consumedNames(asked: string, pathConsumed: number): number | undefined {
  const units = pathConsumed / 2;
  const end = asked.charAt(units);
  if (units > asked.length || (end !== "" && end !== "\\" && asked.charAt(units - 1) !== "\\"))
    return undefined;
  const parts = asked
    .slice(0, units)
    .split("\\")
    .filter((part) => part !== "");
  return parts.length < 2 ? undefined : parts.length - 2;
}
