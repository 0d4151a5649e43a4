/** Events of the file system as they arrive: late, in another order, twice, or never. */
import type { Chance } from "./chance.ts";
import type { World } from "./world.ts";

const UNWATCHED = /^(\.run\/(?!trust\.json)|[^/]+\/(messages|\.chat|state)(\/|$))/;

export class Watcher {
  /** Told each event; set while a daemon listens. */
  hint: ((path: string) => void) | undefined;
  /** Share of events that are lost. */
  losing = 0;
  lost = 0;
  told = 0;
  private readonly world: World;
  private readonly chance: Chance;

  constructor(world: World, chance: Chance) {
    this.world = world;
    this.chance = chance;
  }

  changed(path: string): void {
    if (!this.hint || !path.startsWith(PREFIX)) return;
    const name = path.slice(PREFIX.length);
    if (UNWATCHED.test(name)) return;
    if (this.chance.is(this.losing)) {
      this.lost++;
      return;
    }
    for (let times = this.chance.is(0.03) ? 2 : 1; times > 0; times--) {
      const { life } = this.world;
      const late = this.chance.is(0.1) ? this.chance.between(0, 2000) : this.chance.between(1, 60);
      this.world.clock.after(late, () => {
        if (this.world.life !== life || !this.world.alive) return;
        this.told++;
        this.hint?.(name);
      });
    }
  }
}

const PREFIX = "/sim/repository/.workflow/";
