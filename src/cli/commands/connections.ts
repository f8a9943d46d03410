import { CONFIG_OPTION, type Command, JSON_OPTION } from "../command.ts";
import { UsageError } from "../exit-codes.ts";

export const connections: Command = {
  spec: {
    name: "connections",
    summary: "Take connections over from another application, or compare them with it.",
    usage: "smb2nats connections import --from sambee --url URL --token-file FILE [--check [--config FILE]]",
    examples: [
      [
        "smb2nats connections import --from sambee --url http://sambee:8000 --token-file admin.token",
        "print the section `connections`, without secrets, and what is still missing",
      ],
      [
        "smb2nats connections import --from sambee --url http://sambee:8000 --token-file t --check",
        "say what differs from the configuration; exit status 1 if something does",
      ],
    ],
    options: {
      from: { type: "string", value: "APPLICATION", doc: "whose list it is: `sambee`" },
      url: { type: "string", value: "URL", doc: "where the application is" },
      "token-file": { type: "string", value: "FILE", doc: "file with a token of one of its users" },
      "ca-file": {
        type: "string",
        value: "FILE",
        doc: "PEM of the authorities that may sign its certificate",
      },
      "secrets-dir": {
        type: "string",
        value: "DIR",
        doc: "where the passwords' files are to be; default /run/secrets",
      },
      check: { type: "boolean", doc: "compare with the configuration, and print nothing else" },
      config: CONFIG_OPTION,
      json: JSON_OPTION,
    },
    operands: { min: 1, max: 1 },
    notes:
      "The list is what the token's user may see: private connections of others are not in it.\nNobody is told passwords: each goes into the file that `passwordFile` names.",
  },
  run: async (invocation, context) => {
    const [action] = invocation.operands;
    if (action !== "import")
      throw new UsageError(`unknown action ${JSON.stringify(action)}; there is import`);
    const { runImport } = await import("../compose/import-connections.ts");
    return runImport(invocation, context);
  },
};
