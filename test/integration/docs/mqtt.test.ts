import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../../../scripts/lab/workspace.ts";
import { MqttSubscriber } from "../../support/clients/mqtt.ts";
import { Fleet, until } from "../fleet/harness.ts";

/** docs/recipes/mqtt.md, followed on the server at hand. */
const BRIDGE = join(import.meta.dirname, "../../../examples/mqtt-bridge/bridge.mjs");

let fleet: Fleet;
let port: number;
const subscribers: MqttSubscriber[] = [];
let bridge: ChildProcess | undefined;
beforeEach(async () => {
  port = await freePort();
  fleet = await Fleet.start({ config: `mqtt { listen: "127.0.0.1:${port}" }` });
});
afterEach(async () => {
  for (const one of subscribers.splice(0)) one.close();
  bridge?.kill();
  bridge = undefined;
  await fleet.close();
});

const subscribe = async (filter: string): Promise<MqttSubscriber> => {
  const one = await MqttSubscriber.open(port, filter);
  subscribers.push(one);
  return one;
};

/** From this version on MQTT clients are given what a stream republishes. */
const givesRepublished = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || minor >= 10;
};

describe("the MQTT recipe", () => {
  it("needs the bridge on old servers only; tells what changed, with QoS 0", async () => {
    const { broker } = await fleet.worker();
    const member = await fleet.member();
    const direct = await subscribe("smb/nas1/#");
    const bridged = await subscribe("mqtt/smb/nas1/#");
    await member.acquire({ connection: "nas1", path: "/My Photos", recursive: true }).ready;
    fleet.share.add("/My Photos", "a.jpg");

    const added = ({ told }: MqttSubscriber, name: string): boolean =>
      told.some(({ payload }) => payload.includes(`"${name}"`));
    const isNew = givesRepublished(broker.link.server.version);
    if (isNew) await until("the message", () => added(direct, "a.jpg"));

    bridge = spawn(process.execPath, [BRIDGE, fleet.nats.url], { stdio: "inherit" });
    let tries = 0;
    await until("a message by the bridge", async () => {
      fleet.share.add("/My Photos", `b${++tries}.jpg`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return bridged.told.length > 0;
    });
    expect(bridged.told[0]).toMatchObject({ topic: "mqtt/smb/nas1/my=20photos", qos: 0 });
    expect(added(bridged, "a.jpg")).toBe(false);
    const changes = direct.told.filter(({ payload }) => payload.includes('"changes"'));
    if (isNew) expect(changes[0]).toMatchObject({ topic: "smb/nas1/my=20photos", qos: 0 });
    else expect(direct.told).toEqual([]);
  });
});
