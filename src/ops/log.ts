import { writeSync } from "node:fs";
import { type DestinationStream, destination, type Logger, pino } from "pino";
import { errorCode, Smb2NatsError } from "../base/errors.ts";
import { escapeJson, printable, printableLines } from "../base/printable.ts";
import type { LogConfig, LogLevel } from "./config/index.ts";
import { REDACTED, redactUrls } from "./secrets.ts";

export type Fields = Readonly<Record<string, unknown>>;

/**
 * One line an event. `event` is a stable name (`smb.connected`) that people filter by; `message` may
 * change. Never hand in secrets; names that look like one are redacted nevertheless.
 */
export interface Log {
  debug(event: string, message: string, fields?: Fields): void;
  info(event: string, message: string, fields?: Fields): void;
  warn(event: string, message: string, fields?: Fields): void;
  error(event: string, message: string, fields?: Fields): void;
  fatal(event: string, message: string, fields?: Fields): void;
  /** Everything from the level on is written; can change while running. */
  setLevel(level: LogLevel): void;
  /** Writes what is buffered, before the process ends. */
  flush(): void;
}

export interface LogOptions {
  /** Where lines go; default stderr, so that stdout is free for data. */
  readonly write?: (line: string) => void;
  readonly isTTY?: boolean;
  /** A line was given up because the reader is too slow. */
  readonly onDrop?: () => void;
}

/** What may wait for a slow reader of the log; beyond it lines are dropped rather than the service stopped. */
const MAX_BUFFER_BYTES = 16_777_216;
const STDERR = 2;

/** JSON lines, or pretty ones on a terminal. */
export async function createLog(config: LogConfig, options: LogOptions = {}): Promise<Log> {
  const pretty = config.format === "pretty" || (config.format === "auto" && options.isTTY === true);
  const sink = pretty ? await prettySink(options) : plainSink(options);
  const logger = pino(
    {
      level: config.level,
      base: null,
      messageKey: "message",
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeForLog },
      redact: { paths: SECRET_PATHS, censor: REDACTED },
      hooks: { streamWrite: (line) => escapeJson(redactUrls(line)) },
    },
    sink.stream,
  );
  return new PinoLog(logger, sink.flush);
}

const SECRET_KEYS = ["password", "secret", "token", "seed", "credentials", "authorization", "cookie"];
const SECRET_PATHS = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

class PinoLog implements Log {
  readonly #logger: Logger;
  readonly #flush: () => void;

  constructor(logger: Logger, flush: () => void) {
    this.#logger = logger;
    this.#flush = flush;
  }

  debug(event: string, message: string, fields: Fields = {}): void {
    this.#logger.debug({ event, ...fields }, message);
  }
  info(event: string, message: string, fields: Fields = {}): void {
    this.#logger.info({ event, ...fields }, message);
  }
  warn(event: string, message: string, fields: Fields = {}): void {
    this.#logger.warn({ event, ...fields }, message);
  }
  error(event: string, message: string, fields: Fields = {}): void {
    this.#logger.error({ event, ...fields }, message);
  }
  fatal(event: string, message: string, fields: Fields = {}): void {
    this.#logger.fatal({ event, ...fields }, message);
  }
  setLevel(level: LogLevel): void {
    this.#logger.level = level;
  }
  flush(): void {
    this.#flush();
  }
}

interface Sink {
  readonly stream: DestinationStream;
  readonly flush: () => void;
}

function plainSink({ write, onDrop }: LogOptions): Sink {
  if (write !== undefined) return { stream: { write }, flush: () => undefined };
  const stream = destination({ dest: STDERR, sync: false, maxLength: MAX_BUFFER_BYTES });
  let stuck = false;
  // A log that nobody reads (EPIPE) must not end the service.
  stream.on("error", () => {
    stuck = true;
  });
  stream.on("write", () => {
    stuck = false;
  });
  stream.on("drop", () => onDrop?.());
  return {
    stream,
    flush: () => {
      try {
        if (stuck) throw new Error("the log takes no more");
        writeSync(STDERR, "");
        stream.flushSync();
      } catch {
        // Not open yet, or its reader has gone: there is no better place to say so. sonic-boom 4.2.1 tries for ever where
        // the disk is full or the terminal has gone (ENOSPC, EIO), here and again when pino flushes at the exit.
        Object.assign(stream, { flush: () => undefined, flushSync: () => undefined, end: () => undefined });
      }
    },
  };
}

async function prettySink({ write: given }: LogOptions): Promise<Sink> {
  const { prettyFactory } = await import("pino-pretty");
  const format = prettyFactory({
    messageKey: "message",
    translateTime: "SYS:HH:MM:ss.l",
    colorize: given === undefined,
    singleLine: true,
  });
  const out = given ?? ((line: string): void => void process.stderr.write(line));
  const write = (line: string): void => out(fitForTerminal(format(onOneLine(line))));
  return { stream: { write }, flush: () => undefined };
}

/** The formatter writes the message as it is, and fields as JSON. */
function onOneLine(line: string): string | object {
  const entry: unknown = JSON.parse(line);
  if (typeof entry !== "object" || entry === null) return line;
  const { message } = entry as { message?: unknown };
  return typeof message === "string" ? { ...entry, message: printable(message) } : entry;
}

/** What the formatter read back out of JSON is escaped again, its own lines and colours aside. */
function fitForTerminal(text: string): string {
  return text
    .split(COLOURS)
    .map((part, i) => (i % 2 === 1 ? part : printableLines(part)))
    .join("");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours
const COLOURS = /(\u001b\[\d{1,3}m)/;

/** Our errors tell what may be concluded; foreign ones get their stack. Causes are followed, secrets are not. */
function describeForLog(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = error.cause === undefined ? {} : { cause: describeForLog(error.cause) };
  const base = { type: error.name, code: errorCode(error), message: error.message, ...cause };
  return error instanceof Smb2NatsError
    ? { ...base, conclusion: error.conclusion }
    : { ...base, stack: error.stack };
}
