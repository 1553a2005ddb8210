/** A moment of this process: one clock to tell it, and one that is never set to count from it. */
export interface Moment {
  at: Date;
  /** Monotonic. */
  milliseconds: number;
}

/** Where a server is in the write-ahead log: written, or replayed. */
export interface Position {
  /** Cluster and timeline: places of two histories cannot be compared. */
  history: string;
  /** Bytes since the beginning of the log. */
  place: bigint;
}

/** Where the primary was when; from where a standby is follows what it has. */
export interface ReplayNotes {
  /** @param moment before the primary was asked for its position */
  note(moment: Moment, primary: Position): void;
  /** To be called before the primary is asked again: it has to be there by then. */
  reached(standby: Position): void;
  /** Until when a standby that has replayed up to here has everything; undefined: not known. */
  findCovered(standby: Position): Moment | undefined;
}

/** An hour of notes a second apart. */
const MOST_NOTES = 3600;

export function openReplayNotes(): ReplayNotes {
  let history: string | undefined;
  /** The furthest that anybody has been in this history. */
  let furthest = 0n;
  let notes: { moment: Moment; place: bigint }[] = [];

  return {
    note(moment, primary) {
      if (primary.history !== history) {
        history = primary.history;
        furthest = 0n;
        notes = [];
      }
      // A primary that was further is another one under the same name: until it is beyond that, places mean two things.
      if (primary.place < furthest) {
        notes = [];
        return;
      }
      furthest = primary.place;
      notes.push({ moment, place: primary.place });
      if (notes.length > MOST_NOTES) notes.shift();
    },
    reached(standby) {
      if (standby.history === history && standby.place > furthest) furthest = standby.place;
    },
    findCovered(standby) {
      if (standby.history !== history) return undefined;
      return notes.findLast(({ place }) => place <= standby.place)?.moment;
    },
  };
}
