import type { Broker } from "../../broker/port.ts";
import { type Context, type Invocation, SHARE_OPTIONS } from "../command.ts";
import { EmbeddedNats } from "../embedded-nats.ts";
import { type ExitCode, UsageError } from "../exit-codes.ts";
import { openBroker } from "./broker.ts";
import { sizesForDisk } from "./disk-share.ts";
import { startGateway } from "./gateway-role.ts";
import { nameShare } from "./open-share.ts";
import { runService, type Service } from "./service.ts";
import { startWorker } from "./worker-role.ts";

/** `smb2nats worker` */
export function runWorker(invocation: Invocation, context: Context): Promise<ExitCode> {
  return runService({
    role: "worker",
    invocation,
    context,
    start: async (service) => {
      await startWorker(service, { broker: await connect(service, { role: "worker", publishes: true }) });
    },
  });
}

/** `smb2nats gateway` */
export function runGateway(invocation: Invocation, context: Context): Promise<ExitCode> {
  return runService({
    role: "gateway",
    invocation,
    context,
    start: async (service) => {
      await startGateway(service, { broker: await connect(service, { role: "gateway" }) });
    },
  });
}

/** `smb2nats up` */
export async function runUp(invocation: Invocation, context: Context): Promise<ExitCode> {
  const [operand] = invocation.operands;
  const named = operand === undefined ? undefined : await nameShare(operand, invocation, context);
  const option = Object.keys(SHARE_OPTIONS).find((name) => invocation.flag(name));
  if (named === undefined && option !== undefined) {
    throw new UsageError(
      `--${option} is for a share named here; of configured ones the configuration says it`,
    );
  }
  const argument =
    named === undefined
      ? undefined
      : { name: named.name, entry: { ...named.entry, root: named.argument.path } };
  return runService({
    role: "up",
    invocation,
    context,
    argument,
    start: async (service) => {
      const { config } = service.loaded;
      if (Object.keys(config.connections).length === 0) {
        throw new UsageError(
          "nothing to watch: name a share (//server/share), or a configuration with connections",
        );
      }
      const embedded = config.nats.servers.length > 0 ? undefined : await startNats(service, context);
      const broker = await connect(service, { role: "up", publishes: true, embedded });
      await startWorker(service, {
        broker,
        ...(named === undefined
          ? {}
          : {
              prompted: { connection: named.name, password: named.password },
              probe: { connection: named.name, where: named.where },
            }),
      });
      const { url } = await startGateway(service, { broker });
      context.out.say(`\nWatching. Live page: ${url}${named === undefined ? "" : `#watch=${named.name}:/`}`);
      if (embedded !== undefined) {
        context.out.say(
          `NATS: SMB2NATS_NATS_SERVERS=${embedded.url} SMB2NATS_NATS_TOKEN_FILE=${embedded.tokenFile}`,
        );
      }
    },
  });
}

async function startNats({ scope, log, stopping, fail }: Service, { env }: Context): Promise<EmbeddedNats> {
  const nats = await EmbeddedNats.start({ env, signal: stopping, onExit: fail });
  scope.use(nats);
  log.info("nats.embedded", "a private nats-server is up", { url: nats.url, dataDir: nats.dataDir });
  return nats;
}

async function connect(
  service: Service,
  options: {
    readonly role: string;
    readonly publishes?: boolean;
    readonly embedded?: EmbeddedNats | undefined;
  },
): Promise<Broker> {
  const { scope, log, ops, stopping, loaded } = service;
  const { role, publishes = false, embedded } = options;
  const { nats, worker } = loaded.config;
  const broker = await openBroker({
    nats: embedded === undefined ? nats : sizesForDisk(loaded, embedded.dataDir),
    name: `smb2nats ${role}`,
    signal: stopping,
    embedded,
    worker: publishes ? { checkpoints: worker.checkpointSeconds > 0 } : undefined,
  });
  scope.use(broker);
  scope.defer(
    ops.addCheck("nats", () =>
      broker.link.connected ? { ready: true } : { ready: false, reason: "not connected" },
    ),
  );
  for (const { stream, field, expected, found } of broker.differences) {
    log.warn("nats.stream-differs", "a stream is not configured as asked, and was left alone", {
      stream,
      field,
      expected,
      found,
    });
  }
  return broker;
}
