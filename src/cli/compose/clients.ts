import { z } from "zod";
import { systemClock } from "../../base/clock.ts";
import { describeError } from "../../base/errors.ts";
import { printable } from "../../base/printable.ts";
import type { Broker } from "../../broker/port.ts";
import { FleetError } from "../../fleet/errors.ts";
import { requestService } from "../../fleet/list-client.ts";
import { processSubject } from "../../fleet/process-service.ts";
import { syncedWithin } from "../../fleet/synced.ts";
import { FleetView } from "../../fleet/view.ts";
import { type ClientInfo, LONGEST_REASON } from "../../gateway/clients.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode, RefusedError, UnavailableError, UsageError } from "../exit-codes.ts";
import type { Output } from "../output.ts";
import { openExistingBroker } from "./broker.ts";
import { formatBytes, formatSpan } from "./format.ts";
import { interruptible, type Session } from "./interruptible.ts";
import { type NatsOptions, natsOptions } from "./nats-options.ts";

interface GatewayClients {
  /** Lease of the gateway. */
  readonly gateway: string;
  readonly host: string;
  /** Absent: it did not answer, `error` says why. */
  readonly clients?: readonly ClientInfo[];
  readonly error?: string;
}

interface Fleet {
  readonly broker: Broker;
  readonly gateways: readonly { readonly lease: string; readonly host: string }[];
  readonly wait: { readonly signal: AbortSignal; readonly timeoutMs: number };
}

const Page = z.object({
  clients: z.array(
    z.object({
      client: z.string(),
      address: z.string(),
      subject: z.string().optional(),
      origin: z.string().optional(),
      userAgent: z.string().optional(),
      since: z.string(),
      connections: z.array(z.string()),
      subscriptions: z.number(),
      unsentBytes: z.number(),
    }),
  ),
  next: z.number().int().positive().optional(),
});
const MOST_PAGES = 1_000;

/** `smb2nats clients`, `smb2nats clients close ID` */
export async function runClients(invocation: Invocation, context: Context): Promise<ExitCode> {
  const [action, client, ...more] = invocation.operands;
  const options = natsOptions(invocation, context);
  if (action === undefined) return listClients(invocation, context, options);
  if (action !== "close") throw new UsageError(`unknown action ${JSON.stringify(action)}: close is known`);
  if (client === undefined || more.length > 0)
    throw new UsageError("which client? smb2nats clients close ID");
  const reason = invocation.text("reason") ?? "ended by an operator";
  if (Buffer.byteLength(reason) > LONGEST_REASON) {
    throw new UsageError(
      `--reason is longer than ${LONGEST_REASON} bytes: there is no more room in a close frame`,
    );
  }
  const request = { client, reason, comesBack: !invocation.flag("for-good") };
  return interruptible(context, async (session) => {
    await closeClient(request, await openFleet(options, session));
    if (invocation.flag("json")) context.out.json({ client, closed: true });
    else context.out.data(`${printable(client)} is closed`);
    return EXIT.ok;
  });
}

async function openFleet({ config, timeoutMs }: NatsOptions, { scope, signal }: Session): Promise<Fleet> {
  const broker = scope.use(await openExistingBroker(config.nats, "smb2nats clients", signal, timeoutMs));
  const mirror = scope.use(broker.mirror());
  const view = new FleetView(mirror);
  await syncedWithin(mirror, { signal, deadlineMs: timeoutMs, what: "the bucket of watches" });
  const gateways = [...view.leases.values()]
    .filter(({ record }) => record.kind === "gateway")
    .map(({ lease, record }) => ({ lease, host: record.host }));
  return { broker, gateways, wait: { signal, timeoutMs } };
}

async function listClients(
  invocation: Invocation,
  context: Context,
  options: NatsOptions,
): Promise<ExitCode> {
  const connection = invocation.text("connection");
  return interruptible(context, async (session) => {
    const fleet = await openFleet(options, session);
    const answers = await Promise.all(
      fleet.gateways.map(async ({ lease, host }): Promise<GatewayClients> => {
        try {
          return { gateway: lease, host, clients: await askClients(lease, connection, fleet) };
        } catch (error) {
          session.signal.throwIfAborted();
          return { gateway: lease, host, error: describeError(error) };
        }
      }),
    );
    if (invocation.flag("json")) context.out.json({ gateways: answers });
    else print(context.out, answers);
    return answers.some(({ clients }) => clients === undefined) ? EXIT.unavailable : EXIT.ok;
  });
}

async function askClients(
  lease: string,
  connection: string | undefined,
  { broker, wait }: Fleet,
): Promise<ClientInfo[]> {
  const clients: ClientInfo[] = [];
  const about = connection === undefined ? {} : { connection };
  let from: number | undefined = 0;
  for (let page = 0; from !== undefined && page < MOST_PAGES; page++) {
    const subject = processSubject(broker.link, "gateway", lease, "clients");
    const parsed = Page.safeParse(await requestService(broker.link, subject, { ...about, from }, wait));
    if (!parsed.success) throw new FleetError("internal", "a gateway's answer cannot be read");
    clients.push(...(parsed.data.clients as ClientInfo[]));
    from = parsed.data.next;
  }
  return clients;
}

/** @throws RefusedError, UnavailableError, FleetError */
async function closeClient(
  request: { readonly client: string; readonly reason: string; readonly comesBack: boolean },
  { broker, gateways, wait }: Fleet,
): Promise<void> {
  if (gateways.length === 0) throw new UnavailableError("there is no gateway");
  const silent: string[] = [];
  const closed = await Promise.all(
    gateways.map(async ({ lease, host }) => {
      try {
        await requestService(
          broker.link,
          processSubject(broker.link, "gateway", lease, "close"),
          request,
          wait,
        );
        return true;
      } catch (error) {
        if (!(error instanceof FleetError)) throw error;
        if (error.failure === "unreachable") silent.push(host);
        else if (error.failure !== "not_found") throw error;
        return false;
      }
    }),
  );
  if (closed.includes(true)) return;
  const { client } = request;
  if (silent.length > 0) {
    throw new UnavailableError(
      `${client} is at none of the gateways that answered; ${silent.join(", ")} did not`,
    );
  }
  throw new RefusedError(`no gateway has a client ${client}: it has left, or never was`);
}

function print(out: Output, answers: readonly GatewayClients[]): void {
  out.table([
    ["CLIENT", "SUBJECT", "ADDRESS", "ORIGIN", "FOR", "WATCHES", "CONNECTIONS", "UNSENT", "GATEWAY"].map(
      (head) => out.style("bold", head),
    ),
    ...answers.flatMap(({ host, clients = [] }) =>
      clients.map((one) => [
        printable(one.client),
        printable(one.subject ?? "-"),
        printable(one.address),
        printable(one.origin ?? "-"),
        formatSpan(systemClock.now() - Date.parse(one.since)),
        String(one.subscriptions),
        printable(one.connections.join(",")),
        formatBytes(one.unsentBytes),
        printable(host),
      ]),
    ),
  ]);
  for (const { gateway, host, error } of answers) {
    if (error !== undefined) out.error(`gateway ${host} (${gateway}) does not answer: ${error}`);
  }
  if (answers.length === 0) out.say("There is no gateway.");
}
