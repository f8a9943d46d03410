/**
 * What a watch of a directory will not hear of, or not as it is.
 *
 * - `untold`: the directory's last write moved during the check, and the server told nothing.
 * - `refused`: sub-directories that the account may not open.
 * - `case`: names that differ by case only.
 * - `link`: links, and directories that are another one's second name.
 * - `stand-in`: names listed and opened by another name than the one on the disk.
 * - `hidden`: names that can be opened, and are not listed.
 * - `unreadable`: names that are there, may not be opened, and are not listed.
 */
export type FindingKind = "untold" | "refused" | "case" | "link" | "stand-in" | "hidden" | "unreadable";

/** An option that helps: of ours, or of the file server (names are Samba's). */
export interface Help {
  readonly where: "connection" | "server";
  readonly option: string;
  readonly value: string | number | boolean;
}

export interface Meaning {
  /** For a watch, in one clause. */
  readonly text: string;
  readonly help?: Help;
}

const server = (option: string, value: Help["value"]): Help => ({ where: "server", option, value });
const connection = (option: string, value: Help["value"]): Help => ({ where: "connection", option, value });

export const MEANINGS: Readonly<Record<FindingKind, Meaning>> = {
  untold: {
    text: "the server does not tell all changes: names that come and go are found by looking, new content by comparing",
    help: connection("rescanMinutes", 5),
  },
  refused: {
    text: "not heard, and a recursive watch is degraded: let the account list it, or watch elsewhere",
  },
  case: {
    text: "watched as they are listed, where the share tells them apart",
    help: connection("caseSensitive", true),
  },
  link: {
    text: "told; a link is entered only where the server shows it as a directory, and none that leads back to one above it",
    help: server("follow symlinks", "no"),
  },
  "stand-in": {
    text: "told by this name, which is not the one on the disk; the first change of each such name costs a listing",
    help: server("mangled names", "no"),
  },
  hidden: {
    text: "a listing does not show it (yet): as long as that is so it is told, and taken back after a while",
    help: server("hide new files timeout", 0),
  },
  unreadable: {
    text: "not told to consumers, as it is not listed; told as added once the account may read it",
    help: server("hide unreadable", "no"),
  },
};

/** `rescanMinutes: 5`; of the server's own, `mangled names = no`. */
export function helpText({ where, option, value }: Help): string {
  return where === "connection" ? `${option}: ${value}` : `${option} = ${value} on the share`;
}
