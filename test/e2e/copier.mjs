// The second reader, in a process of its own: gives every plain file of the log a second name, under which nobody deletes it.
// node copier.mjs DIRECTORY TO; ends when its input does.
import { linkSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Milliseconds between two looks: a file that comes, is compressed and goes between them is missed. */
const LOOK = 1;

const [, , directory, to] = process.argv;
/** Inodes that have their second name, and so are nobody else's. */
const seen = new Set();
let files = 0;

function look() {
  for (const name of readdirSync(directory)) if (/^audit.*\.log$/.test(name)) keep(join(directory, name));
}

function keep(file) {
  try {
    if (seen.has(statSync(file).ino)) return;
    const name = join(to, String(files++));
    linkSync(file, name);
    seen.add(statSync(name).ino);
  } catch (error) {
    // Renamed or deleted meanwhile.
    if (error.code !== "ENOENT") throw error;
  }
}

mkdirSync(to);
look();
process.stdout.write("ready\n");
setInterval(look, LOOK);
process.stdin.on("end", () => {
  look();
  process.exit();
});
process.stdin.resume();
