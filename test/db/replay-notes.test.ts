import t from 'tap';
import { type Moment, openReplayNotes } from '../../src/db/replay-notes.js';

const at = (seconds: number): Moment => ({ at: new Date(seconds * 1000), milliseconds: seconds * 1000 });
const of = (history: string) => (place: number) => ({ history, place: BigInt(place) });
const one = of('1/1');
const seconds = (moment: Moment | undefined) => moment && moment.milliseconds / 1000;

t.test('a standby has everything up to the last note that it has passed', async (t) => {
  const notes = openReplayNotes();
  t.equal(notes.findCovered(one(500)), undefined, 'nothing is known at first');
  notes.note(at(1), one(100));
  notes.note(at(2), one(100));
  notes.note(at(3), one(200));
  notes.note(at(4), one(300));
  t.equal(seconds(notes.findCovered(one(99))), undefined);
  t.equal(seconds(notes.findCovered(one(100))), 2, 'an idle primary makes no standby old');
  t.equal(seconds(notes.findCovered(one(299))), 3);
  t.equal(seconds(notes.findCovered(one(400))), 4);
  t.equal(seconds(notes.findCovered(one(150))), 2, 'a standby that was restarted has less than before');
});

t.test('places of another history say nothing', async (t) => {
  const notes = openReplayNotes();
  notes.note(at(1), one(100));
  t.equal(notes.findCovered(of('2/1')(500)), undefined, 'another cluster');
  const two = of('1/2');
  notes.note(at(2), two(90));
  t.equal(notes.findCovered(one(500)), undefined, 'a standby of the old timeline');
  t.equal(seconds(notes.findCovered(two(90))), 2);
});

t.test('a primary that goes back is another one, until it is beyond where anybody was', async (t) => {
  for (const lead of ['primary', 'standby']) {
    const notes = openReplayNotes();
    notes.note(at(1), one(lead === 'primary' ? 300 : 100));
    notes.reached(one(lead === 'primary' ? 100 : 300));
    notes.note(at(2), one(200));
    t.equal(notes.findCovered(one(300)), undefined, lead);
    notes.note(at(3), one(299));
    t.equal(notes.findCovered(one(300)), undefined);
    notes.note(at(4), one(301));
    t.equal(notes.findCovered(one(300)), undefined);
    t.equal(seconds(notes.findCovered(one(301))), 4);
  }
});

t.test('an hour is remembered', async (t) => {
  const notes = openReplayNotes();
  for (let second = 1; second <= 3601; second++) notes.note(at(second), one(second));
  t.equal(notes.findCovered(one(1)), undefined);
  t.equal(seconds(notes.findCovered(one(2))), 2);
});
