import type { Samba } from "../lab/samba.ts";
import type { Chance } from "./chance.ts";
import type { Journal } from "./journal.ts";

/** What smbclient says where it was refused something. */
const REFUSED = /NT_STATUS_\w+[^\n]*/g;

/**
 * Another client that works in the midst of what is watched, on a tree of its own: makes it, renames it above where
 * handles may be, moves a part, makes a directory again at once under its name, and removes it all. Nothing of that may fail. Returns what did.
 */
export async function neighbour(
  samba: Samba,
  chance: Chance,
  journal: Journal,
  { watched, serial }: { readonly watched: string; readonly serial: number },
): Promise<readonly string[]> {
  const home = `neighbour-${serial}`;
  const below = Array.from({ length: chance.between(1, 6) }, (_, depth) => `d${depth}`);
  const made = below.map((_, depth) => `mkdir ${home}\\${below.slice(0, depth + 1).join("\\")}`);
  const commands = [
    `cd ${watched.replaceAll("/", "\\")}`,
    `mkdir ${home}`,
    ...made,
    ...(chance.happens(0.5)
      ? [`cd ${home}\\d0`, "mkdir again", "rmdir again", "mkdir again", "cd ..\\.."]
      : []),
    // Time for whoever watches to take hold of it.
    ...(chance.happens(0.5) ? [`!sleep ${chance.between(1, 4)}`] : []),
    `rename ${home} ${home}-moved`,
    `rename ${home}-moved\\d0 ${home}-moved\\e0`,
    ...(chance.happens(0.5) ? ["!sleep 1"] : []),
    `deltree ${home}-moved`,
  ];
  journal.add("note", `another client: ${commands.join("; ")}`);
  const said = await samba.smbclient(commands.join("; "));
  return [...said.matchAll(REFUSED)].map(([line]) => line);
}
