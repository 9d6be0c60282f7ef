import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a peer is to do. */
interface Task {
  /** The log. */
  log: string;
  /** Of a sink that takes everything: http://127.0.0.1:PORT. */
  url: string;
  /** The peer's own, empty. */
  directory: string;
}

/** Another shipper: how it is told to read the log from its beginning and to send each line as it is. */
export interface Peer {
  /** Environment variable, and option in lower case, with its binary: `BENCH_RSYSLOG=/usr/sbin/rsyslogd`, `--rsyslog …`. */
  name: string;
  /** Writes its configuration; gives what it is started with. */
  configure(task: Task): { args: string[]; env?: Record<string, string> };
}

/** Writes a file into the peer's directory and gives its path. */
function write({ directory }: Task, name: string, lines: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** A configuration in JSON, which YAML's readers take. */
const json = (task: Task, name: string, value: object) => write(task, name, [JSON.stringify(value, undefined, 1)]);

const hostOf = ({ url }: Task) => new URL(url).hostname;
const portOf = ({ url }: Task) => new URL(url).port;

export const PEERS: readonly Peer[] = [
  {
    name: "filebeat",
    configure: (task) => ({
      args: [
        "-c",
        json(task, "filebeat.yml", {
          "filebeat.inputs": [{ type: "filestream", id: "bench", paths: [task.log] }],
          "output.elasticsearch": { hosts: [task.url], index: "bench", compression_level: 0, bulk_max_size: 1600 },
          "setup.template.enabled": false,
          "setup.ilm.enabled": false,
          "path.data": task.directory,
          "path.logs": task.directory,
        }),
        "--strict.perms=false",
      ],
    }),
  },
  {
    name: "otelcol",
    configure: (task) => ({
      args: [
        "--config",
        json(task, "otelcol.yaml", {
          receivers: { filelog: { include: [task.log], start_at: "beginning", max_log_size: "24MiB" } },
          processors: { batch: { send_batch_size: 5000 } },
          exporters: {
            elasticsearch: {
              endpoints: [task.url],
              logs_index: "bench",
              mapping: { mode: "raw" },
              compression: "none",
            },
          },
          service: {
            pipelines: { logs: { receivers: ["filelog"], processors: ["batch"], exporters: ["elasticsearch"] } },
            telemetry: { metrics: { level: "none" }, logs: { level: "error" } },
          },
        }),
      ],
    }),
  },
  {
    name: "fluentbit",
    configure: (task) => ({
      args: [
        "-c",
        write(task, "fluent-bit.conf", [
          "[SERVICE]",
          "  Flush 1",
          "  Log_Level error",
          "[INPUT]",
          "  Name tail",
          `  Path ${task.log}`,
          "  Read_from_Head On",
          "  Buffer_Chunk_Size 1M",
          "  Buffer_Max_Size 24M",
          "  Mem_Buf_Limit 64M",
          "[OUTPUT]",
          "  Name es",
          "  Match *",
          `  Host ${hostOf(task)}`,
          `  Port ${portOf(task)}`,
          "  Index bench",
          "  Suppress_Type_Name On",
          "  Buffer_Size False",
        ]),
      ],
    }),
  },
  {
    name: "rsyslog",
    configure: (task) => ({
      args: [
        "-n",
        "-i",
        join(task.directory, "pid"),
        "-f",
        write(task, "rsyslog.conf", [
          `global(workDirectory="${task.directory}" maxMessageSize="24m")`,
          'module(load="imfile" mode="inotify")',
          'module(load="omelasticsearch")',
          'template(name="line" type="string" string="%msg%")',
          `input(type="imfile" File="${task.log}" Tag="bench" ruleset="ship" reopenOnTruncate="on")`,
          'ruleset(name="ship" queue.type="LinkedList" queue.size="20000" queue.dequeueBatchSize="5000") {',
          `  action(type="omelasticsearch" server="${hostOf(task)}" serverport="${portOf(task)}" bulkmode="on" maxbytes="4m"`,
          '    searchIndex="bench" searchType="" template="line" usehttps="off")',
          "}",
        ]),
      ],
    }),
  },
  {
    name: "syslogng",
    configure: (task) => ({
      args: [
        "--foreground",
        "--no-caps",
        `--cfgfile=${write(task, "syslog-ng.conf", [
          "@version: 3.38",
          "options { stats_freq(0); log_msg_size(25165824); log_fifo_size(40000); };",
          `source s { file("${task.log}" flags(no-parse) follow_freq(1) log_fetch_limit(1000) log_iw_size(20000)); };`,
          `destination d { http(url("${task.url}/raw/_bulk") method("POST") workers(2)`,
          '  batch_lines(5000) batch_bytes(4194304) batch_timeout(1000) delimiter("\\n") body("${MESSAGE}") body-suffix("\\n")); };',
          "log { source(s); destination(d); flags(flow-control); };",
        ])}`,
        `--persist-file=${join(task.directory, "persist")}`,
        `--pidfile=${join(task.directory, "pid")}`,
        `--control=${join(task.directory, "control")}`,
      ],
    }),
  },
];
