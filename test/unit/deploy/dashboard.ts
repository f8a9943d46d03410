import { read, readYaml, type Tree } from "./files.ts";

/** Every PromQL expression of the dashboard: panels and annotations. */
export function dashboardQueries(): string[] {
  const found: string[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key === "expr" && typeof value === "string") found.push(value);
      else walk(value);
    }
  };
  walk(JSON.parse(read("deploy/grafana/dashboard.json")));
  return found;
}

/** As Grafana sends them with everything selected. */
export function resolved(query: string): string {
  return query
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$instance", ".*")
    .replaceAll("$connection", ".*");
}

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export function rules(path = "deploy/prometheus/rules.yml"): Rule[] {
  return (readYaml(path)["groups"] as unknown as Tree[]).flatMap(
    (group) => group["rules"] as unknown as Rule[],
  );
}
