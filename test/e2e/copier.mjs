// The second reader, in a process of its own: gives every file that comes under the active name a second name, under which
// nobody deletes it. node copier.mjs ACTIVE DIRECTORY; ends when its input does.
import { linkSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Milliseconds between two looks: a file that comes and goes between them is missed. */
const LOOK = 1;

const [, , active, directory] = process.argv;
let seen = "";
let files = 0;

function look() {
  try {
    if (String(statSync(active).ino) === seen) return;
    const name = join(directory, String(files));
    linkSync(active, name);
    seen = String(statSync(name).ino);
    files++;
  } catch (error) {
    // Between the rename and the creation.
    if (error.code !== "ENOENT") throw error;
  }
}

mkdirSync(directory);
look();
process.stdout.write("ready\n");
setInterval(look, LOOK);
process.stdin.on("end", () => {
  look();
  process.exit();
});
process.stdin.resume();
