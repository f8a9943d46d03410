import { z } from "zod";
import type { BrokerLink } from "../broker/port.ts";
import { FleetError } from "../fleet/errors.ts";
import { fitItems } from "../fleet/page-fit.ts";
import { processSubject } from "../fleet/process-service.ts";
import type { Endpoint } from "../fleet/service.ts";

/** A client as operators see it. */
export interface ClientInfo {
  readonly client: string;
  /** Where it comes from, behind the proxies that are believed. */
  readonly address: string;
  /** Whose token it is, in the issuer's words. */
  readonly subject?: string;
  readonly origin?: string;
  readonly userAgent?: string;
  /** RFC 3339. */
  readonly since: string;
  /** Connections of which it watches something. */
  readonly connections: readonly string[];
  readonly subscriptions: number;
  /** Bytes that it has not read yet, as far as the kernel has not taken them. */
  readonly unsentBytes: number;
}

/** What operators do with the clients of one gateway. */
export interface ClientDesk {
  clients(): readonly ClientInfo[];
  /** Ends one; `false` where there is none of this id. `comesBack`: whether its library may try again. */
  closeClient(client: string, options: { readonly reason: string; readonly comesBack: boolean }): boolean;
}

/** A close frame has room for 123 bytes. */
export const LONGEST_REASON = 120;

const List = z.object({
  connection: z.string().max(256).optional(),
  /** How many to skip: `next` of the page before. */
  from: z.number().int().min(0).default(0),
});
const Close = z.object({
  client: z.string().min(1).max(64),
  reason: z
    .string()
    .refine((text) => Buffer.byteLength(text) <= LONGEST_REASON, `longer than ${LONGEST_REASON} bytes`)
    .default("ended by an operator"),
  comesBack: z.boolean().default(true),
});

const PAGE = 1_000;

/** What a gateway answers on subjects of its own lease. */
export function clientEndpoints(
  link: BrokerLink,
  lease: string,
  desk: () => ClientDesk | undefined,
): Endpoint[] {
  return [
    {
      name: "gateway-clients",
      subject: processSubject(link, "gateway", lease, "clients"),
      handle: async (request) => {
        const { connection, from } = parsed(List, request);
        const all = desk()?.clients() ?? [];
        const wanted =
          connection === undefined ? all : all.filter((one) => one.connections.includes(connection));
        const head = { clients: [], next: wanted.length };
        const page = fitItems(wanted.slice(from, from + PAGE), head, link.server.maxPayload);
        const next = from + page.length;
        return { clients: page, ...(next < wanted.length && page.length > 0 ? { next } : {}) };
      },
    },
    {
      name: "gateway-close",
      subject: processSubject(link, "gateway", lease, "close"),
      handle: async (request) => {
        const { client, reason, comesBack } = parsed(Close, request);
        if (desk()?.closeClient(client, { reason, comesBack }) !== true) {
          throw new FleetError("not_found", "no such client here");
        }
        return { client };
      },
    },
  ];
}

function parsed<S extends z.ZodType>(schema: S, request: unknown): z.infer<S> {
  const result = schema.safeParse(request);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new FleetError(
    "bad_message",
    `${issue?.path.join(".") || "request"}: ${issue?.message ?? "not understood"}`,
  );
}
