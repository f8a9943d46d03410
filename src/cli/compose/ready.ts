import { ignoreRejection, sleep, waitFor } from "../../base/async.ts";
import { systemClock } from "../../base/clock.ts";
import { describeError } from "../../base/errors.ts";
import { type CanonicalPath, joinPath } from "../../base/path.ts";
import { printable } from "../../base/printable.ts";
import type { Share } from "../../share/share.ts";
import type { WatchHandle } from "../../watch/api.ts";
import type { Change, WatchEvent } from "../../watch/events.ts";
import type { ReadyOptions } from "../../watch/ready-options.ts";
import { SourceError } from "../../watch/source.ts";
import type { Context, Invocation } from "../command.ts";
import { Executor, findProgram } from "../exec.ts";
import { EXIT, type ExitCode, UsageError } from "../exit-codes.ts";
import { numberOption } from "../number-option.ts";
import { DoneFile } from "./done-file.ts";
import { explainWatch } from "./explain-watch.ts";
import { firstContact } from "./first-contact.ts";
import { interruptible } from "./interruptible.ts";
import { nameShare, openNamedShare } from "./open-share.ts";
import { printEvent } from "./print-event.ts";
import { type ReadyFile, Takings } from "./takings.ts";

const LONGEST_S = 2_000_000;
const LOOK_MS = 100;
/** For processes that run when we are told to end; what outlives us would be nobody's. */
const GRACE_MS = 3_000;
/** A directory in which something is always going on is still listed. */
const MOST_LISTINGS = 5;

/** `smb2nats ready` */
export async function runReady(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { out, env } = context;
  const options = readyOptions(invocation);
  const recursive = invocation.flag("recursive");
  const exec = execOptions(invocation, context);
  const tries = numberOption(invocation, "tries", { min: 1, max: 1_000, whole: true }) ?? 5;
  const named = await nameShare(invocation.operands[0] ?? "", invocation, context);
  const { name, share, settings, where } = openNamedShare(named, context);
  const { path } = named.argument;
  const doneFile = invocation.text("done");
  const done = doneFile === undefined ? undefined : new DoneFile(doneFile);
  return interruptible(context, async ({ scope, signal }) => {
    scope.use(share);
    const executor =
      exec === undefined ? undefined : new Executor({ ...exec, env, onFailure: (line) => out.error(line) });
    let givenUp = 0;
    // What cannot be written down would be done again after a restart: nothing more is begun.
    let broken: unknown;
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    const takings = new Takings({
      clock: systemClock,
      tries: executor === undefined ? 1 : tries,
      isDone: (file) => done?.has(file) === true,
      done: (file) => {
        try {
          done?.add(file);
        } catch (error) {
          broken = error;
          stop.abort();
        }
      },
      take: async (file) => {
        const line = {
          type: "ready",
          share: where,
          ...file,
          time: new Date(systemClock.now()).toISOString(),
        };
        if (executor !== undefined) return executor.attempt(`${JSON.stringify(line)}\n`);
        if (invocation.flag("json")) out.json(line);
        else
          out.data(`${printable(file.path)}  ${file.size} bytes${file.closed ? "" : ", perhaps still open"}`);
        return true;
      },
      givenUp: (file) => {
        givenUp++;
        out.error(`${printable(file.path)}: given up after ${tries} tries`);
      },
    });
    await firstContact(share, { connection: name, where, username: settings.username, signal });
    const watch = new Hearing({ share, path, recursive, options, context, takings, signal: until });
    try {
      await watch.begin().catch((error: unknown) => {
        throw error instanceof SourceError ? explainWatch(error, where, path) : error;
      });
      if (!invocation.flag("once")) await watch.ended();
      else while (watch.busy || takings.size > 0) await sleep(LOOK_MS, { signal: until });
    } catch (error) {
      throw broken ?? error;
    } finally {
      await watch.close();
      takings.close();
      if (signal.aborted) await executor?.close(GRACE_MS);
      else await executor?.idle();
      await takings.idle();
      done?.close();
    }
    if (broken !== undefined) throw broken;
    return givenUp > 0 || watch.missed ? EXIT.failure : EXIT.ok;
  });
}

interface HearingOptions {
  readonly share: Share;
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  readonly options: ReadyOptions;
  readonly context: Context;
  readonly takings: Takings;
  readonly signal: AbortSignal;
}

/** What the watch tells, and what is there already: both are waited for. */
class Hearing {
  readonly #options: HearingOptions;
  readonly #handle: WatchHandle;
  #listing: Promise<void> = Promise.resolve();
  #listings = 0;
  #missed = false;

  constructor(options: HearingOptions) {
    this.#options = options;
    const { share, path, recursive, options: ready } = options;
    this.#handle = share.watches.watch({ path, recursive }, (event) => this.#hear(event), { ready });
  }

  /** Whether something is not known to be ready, or not to be: not yet. */
  get busy(): boolean {
    return this.#listings > 0 || (this.#handle.ready?.undecided ?? 0) > 0;
  }

  /** Whether something that was there could not be listed. */
  get missed(): boolean {
    return this.#missed;
  }

  /** Resolves when it is live, and what is there has been listed. @throws SourceError, AbortedError */
  async begin(): Promise<void> {
    const { signal, path, recursive, context } = this.#options;
    await waitFor(this.#handle.live, { signal });
    this.#list(path, recursive);
    await this.#listing;
    context.out.say(`waiting for files in ${printable(path)}; Ctrl-C ends`);
  }

  /** When somebody says stop. */
  async ended(): Promise<void> {
    await waitFor(new Promise(() => undefined), { signal: this.#options.signal });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #hear(event: WatchEvent): void {
    const { takings, context } = this.#options;
    if (event.type === "changes") {
      for (const change of event.changes) {
        const path = joinPath(event.path, change.name);
        if (change.action === "ready") takings.add(fileOf(path, change));
        else if (change.action === "removed") takings.forget(path);
        else if (change.action === "renamed") takings.forget(joinPath(event.path, change.oldName ?? ""));
      }
    } else if (event.type === "resync") this.#list(event.path, event.scope === "subtree");
    else printEvent(context.out, event, { talk: true });
  }

  /** What cannot be listed now is tried again, and said where that is in vain: nothing is forgotten in silence. */
  #list(path: CanonicalPath, recursive: boolean): void {
    const { share, signal, context } = this.#options;
    this.#listings++;
    this.#listing = this.#listing
      .then(async () => {
        for (let turn = 0; turn < MOST_LISTINGS; turn++) {
          try {
            this.#handle.ready?.expect(await files(share, path, recursive, signal));
            return;
          } catch (error) {
            if (signal.aborted) return;
            const failure = error instanceof SourceError ? error.failure : undefined;
            if (failure === "gone" || failure === "not-a-directory") return;
            context.out.error(`${printable(path)} could not be listed: ${describeError(error)}`);
            if (failure === undefined) break;
            await share.ready({ signal });
          }
        }
        this.#missed = true;
        context.out.error(`${printable(path)}: files that are there already may be missed`);
      })
      .finally(() => this.#listings--);
    ignoreRejection(this.#listing);
  }
}

async function files(
  share: Share,
  top: CanonicalPath,
  recursive: boolean,
  signal: AbortSignal,
): Promise<CanonicalPath[]> {
  const found: CanonicalPath[] = [];
  const waiting = [top];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    try {
      for await (const page of share.list(path, { signal })) {
        for (const { name, type, attributes } of page) {
          if (type === "file") found.push(joinPath(path, name));
          // Links to directories are not followed (FILE_ATTRIBUTE_REPARSE_POINT).
          else if (recursive && (attributes & 0x400) === 0) waiting.push(joinPath(path, name));
        }
      }
    } catch (error) {
      // One below that went, or is not for us, is no reason to leave the others.
      const skipped = error instanceof SourceError && ["gone", "denied"].includes(error.failure);
      if (path === top || !skipped) throw error;
    }
  }
  return found;
}

function fileOf(path: CanonicalPath, change: Change): ReadyFile {
  const { name, size = 0, modified = "", fileId, closed = false } = change;
  return { path, name, size, modified, ...(fileId === undefined ? {} : { fileId }), closed };
}

/** @throws UsageError */
function readyOptions(invocation: Invocation): ReadyOptions {
  const ms = (name: string, bounds: { min: number; max: number }): number | undefined => {
    const seconds = numberOption(invocation, name, bounds);
    return seconds === undefined ? undefined : Math.round(seconds * 1_000);
  };
  const quietMs = ms("quiet", { min: 0.1, max: 3_600 });
  const emptyAfterMs = ms("empty-after", { min: 0, max: 86_400 });
  const maxWaitMs = ms("max-wait", { min: 1, max: 604_800 });
  const ignore = invocation
    .text("ignore")
    ?.split(",")
    .map((glob) => glob.trim());
  if (ignore?.some((glob) => glob === "") === true) throw new UsageError("--ignore: an empty glob");
  if ((ignore?.length ?? 0) > 100) throw new UsageError("--ignore: more than 100 globs");
  return {
    ...(quietMs === undefined ? {} : { quietMs }),
    ...(emptyAfterMs === undefined ? {} : { emptyAfterMs }),
    ...(maxWaitMs === undefined ? {} : { maxWaitMs }),
    ...(ignore === undefined ? {} : { ignore }),
  };
}

/** @throws UsageError */
function execOptions(
  invocation: Invocation,
  { env }: Pick<Context, "env">,
): { program: string; args: readonly string[]; jobs: number; timeoutMs: number } | undefined {
  const jobs = numberOption(invocation, "exec-jobs", { min: 1, max: 64, whole: true });
  const seconds = numberOption(invocation, "exec-timeout", { min: 0.1, max: LONGEST_S });
  const program = invocation.text("exec");
  if (program === undefined) {
    const orphan = ["exec-jobs", "exec-timeout", "tries"].find((name) => invocation.flag(name));
    if (orphan !== undefined) throw new UsageError(`--${orphan} says nothing without --exec`);
    if (invocation.rest.length > 0) throw new UsageError("what follows -- is for the program of --exec");
    return undefined;
  }
  return {
    program: findProgram(program, env),
    args: invocation.rest,
    jobs: jobs ?? 1,
    timeoutMs: (seconds ?? 3_600) * 1_000,
  };
}
