import type { CanonicalPath } from "../../base/path.ts";
import { printable } from "../../base/printable.ts";
import { SourceError } from "../../watch/source.ts";
import { RefusedError } from "../exit-codes.ts";

/** Why a directory that somebody named cannot be watched, for people. */
export function explainWatch(error: SourceError, where: string, path: CanonicalPath): Error {
  const directory = printable(path === "/" ? where : `${where}${path}`);
  if (error.failure === "denied")
    return new RefusedError(`${directory}: this account may not read it`, error);
  if (error.failure === "gone") return new SourceError("gone", `${directory} does not exist`);
  if (error.failure === "not-a-directory")
    return new SourceError("not-a-directory", `${directory} is not a directory`);
  return error;
}
