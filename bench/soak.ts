/** The proofs that take long: `npm run soak`, or some of them by name: `npm run soak -- kills power`. */
import { beside } from "./beside.ts";
import { besideGc } from "./beside-gc.ts";
import { daemonKills } from "./daemon-kills.ts";
import { diskFull } from "./disk-full.ts";
import { growth } from "./growth.ts";
import { ioErrors } from "./io-errors.ts";
import { kills } from "./kills.ts";
import { many } from "./many.ts";
import { orphans } from "./orphans.ts";
import { power } from "./power.ts";
import { type Proof, tell } from "./proof.ts";
import { workshop } from "./workshop.ts";

const PROOFS: Record<string, () => Promise<Proof>> = {
  kills,
  "daemon-kills": daemonKills,
  orphans,
  "io-errors": ioErrors,
  many,
  power,
  "disk-full": diskFull,
  "beside-gc": besideGc,
  beside,
  growth,
  workshop,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in PROOFS));
if (unknown.length > 0) {
  console.error(`There is no proof ${unknown.join(", ")}. There are: ${Object.keys(PROOFS).join(", ")}.`);
  process.exitCode = 2;
} else {
  for (const [name, proof] of Object.entries(PROOFS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    // One that cannot be carried through has failed, and the others are still of interest.
    const found = await proof().catch((error: Error) => ({ figures: "not carried through", broken: [error.message] }));
    if (!tell(name, found)) process.exitCode = 1;
  }
}
