import { existsSync } from "node:fs";
import { join } from "node:path";

/** Debian puts smbd where a plain user's PATH does not look. */
const SBIN = ["/usr/sbin", "/usr/local/sbin", "/usr/local/samba/sbin", "/sbin"];

export function findSbin(name: string): string | undefined {
  const path = (process.env["PATH"] ?? "").split(":");
  return [...path, ...SBIN].map((dir) => join(dir, name)).find((file) => existsSync(file));
}
