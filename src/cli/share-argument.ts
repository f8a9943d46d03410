import { type CanonicalPath, canonicalPath } from "../base/path.ts";
import { parseHostAndPort } from "../ops/config/index.ts";
import { UsageError } from "./exit-codes.ts";

/** A share named on the command line. */
export interface ShareArgument {
  readonly server: string;
  readonly port: number | undefined;
  readonly share: string;
  readonly path: CanonicalPath;
}

const FORM = "//server[:port]/share[/path]";

/** Whether an operand means a share rather than a connection's name. */
export function isShareArgument(operand: string): boolean {
  return /^(\/\/|\\\\|smb:)/i.test(operand);
}

/**
 * Reads `//server[:port]/share[/path]`; IPv6 addresses stand in brackets where a port follows.
 * @throws UsageError, which never repeats what may be a password.
 */
export function parseShareArgument(operand: string): ShareArgument {
  if (/^[a-z]*:?[/\\]{2}[^/\\]*@/i.test(operand)) {
    throw new UsageError(
      `a share is ${FORM}; the account goes into --username, and a password is never an argument`,
    );
  }
  if (!operand.startsWith("//")) {
    const slashes = operand.replaceAll("\\", "/").replace(/^smb:/i, "");
    const hint = slashes.startsWith("//") ? `; write ${JSON.stringify(slashes)}` : "";
    throw new UsageError(`${JSON.stringify(operand)} is not a share: ${FORM}${hint}`);
  }
  const [server = "", share = "", ...rest] = operand.slice(2).split("/");
  const address = parseHostAndPort(server);
  if (address === undefined) throw new UsageError(`${JSON.stringify(server)} is not a server: ${FORM}`);
  if (share === "") throw new UsageError(`${JSON.stringify(operand)} names no share: ${FORM}`);
  if (/[\\:*?"<>|]/.test(share) || share.length > 80) {
    throw new UsageError(`${JSON.stringify(share)} is not the name of a share: ${FORM}`);
  }
  return { server: address.host, port: address.port, share, path: canonicalPath(rest.join("/")) };
}

/** A connection's name made of a share's: `Media (old)` -> `media-old`. */
export function connectionNameOf({ share }: ShareArgument): string {
  const name = share
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replace(/^[_-]+/, "")
    .replace(/-+$/, "")
    .slice(0, 63);
  return name === "" ? "share" : name;
}

/** Back to how people write it. */
export function formatShare({
  server,
  port,
  share,
}: Pick<ShareArgument, "server" | "port" | "share">): string {
  const host = server.includes(":") ? `[${server}]` : server;
  return `//${host}${port === undefined || port === 445 ? "" : `:${port}`}/${share}`;
}
