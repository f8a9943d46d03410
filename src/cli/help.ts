import { type CommandSpec, optionsOf } from "./command.ts";

const WIDTH = 100;

/** `--help` of a command: examples first. */
export function commandHelp(spec: CommandSpec): string {
  const options = Object.entries(optionsOf(spec)).map(([name, option]): [string, string] => {
    const short = option.short === undefined ? "    " : `-${option.short}, `;
    const value = option.value === undefined ? "" : ` ${option.value}`;
    return [`${short}--${name}${value}`, option.doc];
  });
  return [
    `${spec.summary}\n`,
    `Examples\n${examples(spec.examples)}\n`,
    `Usage\n  ${spec.usage}\n`,
    `Options\n${columns(options)}`,
    ...(spec.notes === undefined ? [] : [`\n${spec.notes}`]),
  ].join("\n");
}

/** `smb2nats --help`. */
export function programHelp(commands: readonly Pick<CommandSpec, "name" | "summary">[]): string {
  return [
    "Directory changes on SMB shares, delivered over NATS and WebSocket.\n",
    `Examples\n${examples([
      ["smb2nats tail //nas/media --username ann", "print changes of a share as they happen"],
      ["smb2nats up //nas/media --username ann", "everything in one process, with a private NATS server"],
      ["smb2nats check --config smb2nats.yaml", "reach each server and say what it can do"],
      ["smb2nats worker --config smb2nats.yaml", "watch shares and publish to NATS"],
      ["smb2nats gateway --config smb2nats.yaml", "relay to browsers over WebSocket"],
    ])}\n`,
    `Commands\n${columns(commands.map(({ name, summary }) => [name, summary]))}\n`,
    `Options\n${columns([
      ["-h, --help", "this text; `smb2nats COMMAND --help` for one command"],
      ["-V, --version", "version and commit"],
    ])}\n`,
    "Exit status\n  0 ok, 1 failure, 2 usage, 69 a server is not reachable, 77 a server refused, 78 configuration,\n  124 time was up (--wait)",
  ].join("\n");
}

function examples(rows: CommandSpec["examples"]): string {
  return rows.map(([command, what]) => `  ${command}\n      ${what}`).join("\n");
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const left = Math.max(...rows.map(([head]) => head.length)) + 4;
  return rows.map(([head, text]) => `  ${head.padEnd(left - 2)}${wrap(text, left)}`).join("\n");
}

function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}
