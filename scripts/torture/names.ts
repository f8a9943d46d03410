import type { Chance } from "./chance.ts";

/** Few of them, so that changes meet each other. */
const PLAIN = ["a", "b.txt", "c", "d.tmp", "e", "Folder", "report.docx", "~lock.report.docx#"];

const ODD = [
  "😀 emoji 👩‍👩‍👧.jpg",
  "é decomposed.txt".normalize("NFD"),
  "é composed.txt".normalize("NFC"),
  "Übung mit Leerzeichen",
  ".hidden",
  "..two dots first",
  "100%",
  "%41%2e%2E",
  "%s%n%d",
  "semi-colon, comma & 'quotes' $HOME `id`",
  "[brackets] {braces} (round)",
  "日本語のファイル名.txt",
  "ａｆｕｌｌｗｉｄｔｈ",
  "ſtrange İstanbul ß",
  "=h=3D",
  "tab~1.txt",
  "n".repeat(255),
  "é".repeat(127),
  "#",
];

/** Names that SMB reserves: a share with `mangled names = no` lists them as they are. */
const RESERVED = [
  "a*b",
  "what?",
  "pipe|<>",
  'say "hi"',
  "colon:name",
  "ends with a dot.",
  "ends with a space ",
];

export interface NameOptions {
  /** Names with characters that SMB reserves, which only local changes can make. */
  readonly reserved: boolean;
  /** Names that end in a blank are left out, where what shows them cannot tell. Default false. */
  readonly visible?: boolean;
}

export function anyName(chance: Chance, options: NameOptions): string {
  if (options.reserved && chance.happens(0.1)) {
    return chance.pick(options.visible === true ? RESERVED.filter((name) => !name.endsWith(" ")) : RESERVED);
  }
  return chance.pick(chance.happens(0.7) ? PLAIN : ODD);
}

/** Whether smbclient can be told this name on its command line. */
export function canBeTyped(path: string): boolean {
  return !/["*?;<>|:\\]|[ .](\/|$)/.test(path);
}

/** The same name in other case: to the server, the same entry. */
export function otherCase(name: string): string {
  const upper = name.toUpperCase();
  return upper === name ? name.toLowerCase() : upper;
}
