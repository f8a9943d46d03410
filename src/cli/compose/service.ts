import { AbortedError, describeError } from "../../base/errors.ts";
import { Scope } from "../../base/scope.ts";
import {
  ConfigWatch,
  type ConnectionArgument,
  type LoadedConfig,
  secretProblems,
} from "../../ops/config/index.ts";
import { ConfigError, describeProblem } from "../../ops/config-error.ts";
import { monitorEventLoop } from "../../ops/event-loop.ts";
import { OpsServer } from "../../ops/http.ts";
import { Lifecycle, type LifecycleEvent } from "../../ops/lifecycle.ts";
import { createLog, type Log } from "../../ops/log.ts";
import { Metrics } from "../../ops/metrics.ts";
import { readVersion, type Version } from "../../ops/version.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { configFile, loadFor } from "../load-config.ts";
import { observe } from "./observe.ts";

/** Why a configuration is taken up. */
export interface Reload {
  readonly changedFiles: ReadonlySet<string>;
  /** Somebody wants everything tried now (SIGHUP). */
  readonly asked: boolean;
}

/** What a role gets to stand on. */
export interface Service {
  /** As of the last successful load. */
  readonly loaded: LoadedConfig;
  readonly version: Version;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ops: OpsServer;
  /** Closed in reverse order when the service stops. */
  readonly scope: Scope;
  /** Aborts when the drain begins, also during the start. */
  readonly stopping: AbortSignal;
  /** Runs after each successful reload, one at a time. A rejection is logged; what it left stays. */
  onReload(apply: (loaded: LoadedConfig, reload: Reload) => Promise<void>): void;
  /** Ends the service as failed. */
  fail(reason: string): void;
}

export interface ServiceOptions {
  readonly role: string;
  readonly invocation: Invocation;
  readonly context: Context;
  readonly argument?: ConnectionArgument | undefined;
  readonly start: (service: Service) => Promise<void>;
}

/** Beyond the roles' own drain: for connections to close and the log to be written. */
const SPARE_MS = 10_000;

/** Runs a role from reading its configuration to its exit code. @throws ConfigError, ListenError, and what `start` throws. */
export async function runService(options: ServiceOptions): Promise<ExitCode> {
  const { role, invocation, context, argument } = options;
  let loaded = loadFor(invocation, context, argument);
  const { config } = loaded;
  const version = readVersion();
  const metrics = new Metrics(version);
  const scope = new Scope();
  const log = await createLog(config.log, {
    isTTY: context.stderr.isTTY === true,
    onDrop: () => metrics.process.logDropped.inc(),
  });
  let failed = false;
  const reloads: Parameters<Service["onReload"]>[0][] = [];
  let queue = Promise.resolve();
  let configWatch: ConfigWatch | undefined;
  const lifecycle = new Lifecycle({
    process,
    close: () => scope.close(),
    deadlineMs: Math.max(config.worker.drainSeconds, config.gateway.drainSeconds) * 1_000 + SPARE_MS,
    report: (event) => reportLifecycle(log, event),
    onReload: () => void configWatch?.reload(),
  });
  context.onHandled?.();
  try {
    log.info("service.starting", `smb2nats ${role}`, {
      role,
      version: version.version,
      commit: version.commit,
      file: loaded.file,
    });
    if (Object.keys(config.connections).length === 0) {
      const read =
        loaded.file === undefined ? "neither --config nor SMB2NATS_CONFIG names a file" : "see the file";
      log.warn("config.no-connections", `no connection is configured, so there is nothing to do: ${read}`);
    }
    await warnOfModes(log, loaded);
    scope.use(observe(metrics, log));
    scope.defer(
      monitorEventLoop({
        onStall: (ms) => {
          metrics.process.stalls.inc();
          log.warn("process.stall", "the process stood still", { ms: Math.round(ms) });
        },
      }),
    );
    const ops = scope.use(await OpsServer.listen({ ...config.http, version, metrics }));
    const started = ops.addCheck("start", () => ({ ready: false, reason: "starting" }));
    scope.defer(
      ops.addCheck("drain", () =>
        lifecycle.stopping.aborted ? { ready: false, reason: "stopping" } : { ready: true },
      ),
    );
    log.info("http.listening", "operators' endpoint", { host: config.http.host, port: ops.port });

    metrics.process.configReloaded.set(Date.now() / 1_000);
    const load = { file: configFile(invocation, context), env: context.env, argument };
    configWatch = new ConfigWatch({
      load,
      initial: loaded,
      onChange: (next, changed, asked) => {
        queue = queue.then(async () => {
          loaded = next;
          log.setLevel(next.config.log.level);
          for (const apply of reloads) await apply(next, { changedFiles: new Set(changed), asked });
          metrics.process.configReloads.inc({ outcome: "applied" });
          metrics.process.configReloaded.set(Date.now() / 1_000);
          log.info("config.reloaded", "the new configuration is in force", { changed });
          await warnOfModes(log, next);
        });
        queue = queue.catch((error: unknown) => reloadFailed(error, metrics, log));
      },
      onError: (error) => reloadFailed(error, metrics, log),
    });
    scope.defer(() => queue);
    scope.use(configWatch);
    await configWatch.start();

    await options.start({
      get loaded() {
        return loaded;
      },
      version,
      log,
      metrics,
      ops,
      scope,
      stopping: lifecycle.stopping,
      onReload: (apply) => reloads.push(apply),
      fail: (reason) => {
        failed = true;
        log.fatal("service.failed", reason);
        void lifecycle.stop(reason);
      },
    });
    started();
    log.info("service.ready", `${role} is up`);
    const code = await lifecycle.stopped();
    return failed || code !== 0 ? EXIT.failure : EXIT.ok;
  } catch (error) {
    const interrupted = error instanceof AbortedError && lifecycle.stopping.aborted;
    const code = await lifecycle.stop("the start failed");
    if (interrupted && !failed) return code === 0 ? EXIT.ok : EXIT.failure;
    throw error;
  } finally {
    log.flush();
  }
}

/** What cannot be read is for the role that reads it: a gateway has no passwords. */
async function warnOfModes(log: Log, loaded: LoadedConfig): Promise<void> {
  for (const warning of (await secretProblems(loaded)).warnings) log.warn("config.secret-file", warning);
}

function reloadFailed(error: unknown, metrics: Metrics, log: Log): void {
  metrics.process.configReloads.inc({ outcome: "rejected" });
  const problems =
    error instanceof ConfigError ? error.problems.map(describeProblem) : [describeError(error)];
  log.error("config.rejected", "the new configuration is not used; the old one stays in force", { problems });
}

function reportLifecycle(log: Log, event: LifecycleEvent): void {
  switch (event.type) {
    case "stopping":
      log.info("service.stopping", "draining; a second signal ends at once", {
        cause: event.cause,
        deadlineMs: event.deadlineMs,
      });
      return;
    case "stopped":
      log.info("service.stopped", "everything is closed", { seconds: event.seconds });
      return;
    case "stop-timeout":
      log.error("service.stop-timeout", "not everything closed in time", { deadlineMs: event.deadlineMs });
      return;
    case "stop-failed":
      log.error("service.stop-failed", "something did not close well", { error: event.error });
      return;
    case "forced":
      log.warn("service.forced", "ending at once", { cause: event.cause });
      log.flush();
      return;
    case "fatal":
      log.fatal("process.fatal", event.origin, { error: event.error });
      log.flush();
  }
}
