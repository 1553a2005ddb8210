import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { appendFile, copyFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { loadCheckpointKey } from '../src/checkpoint-key.js';
import { startCheckpoints } from '../src/checkpoints.js';
import { EXIT } from '../src/commands/command.js';
import { commands, run } from '../src/commands/index.js';
import { loadConfig } from '../src/config.js';
import { createLog } from '../src/log.js';
import { type ChainRow, entryHash, GENESIS } from '../src/nouns/activity-log/chain.js';
import { CONTOSO, FABRIKAM, startService } from './helpers/service.js';

const service = await startService(t);
const { request, sql, tokens } = service;
const { privateKey: key } = generateKeyPairSync('ed25519');
const keyText = key.export({ type: 'pkcs8', format: 'der' }).toString('base64');
const MINUTE = 60_000;

const path = (customerId: string) => `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;

async function switchOver(customerId: string, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    const { body } = await request('GET', path(customerId), { token: tokens.admin });
    const state = (body as { state?: string }).state === 'on' ? 'off' : 'on';
    const { status } = await request('PUT', path(customerId), { token: tokens.admin, body: { state } });
    if (status >= 300) throw new Error(`a switch was answered ${status}`);
  }
}

async function switched(times: number): Promise<string> {
  const { customerId } = await service.newCustomer();
  await switchOver(customerId, times);
  return customerId;
}

/** A new directory; `testdir` is one per test. */
async function newDirectory(t: Test): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'customer-permissions-checkpoints-'));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  return made;
}

/**
 * Checkpoints into a directory of the test's own, by a clock that the test sets.
 * @param onRead waited for when the heads of Contoso's log were read
 */
async function checkpointing(t: Test, given?: string, onRead = async () => {}) {
  const directory = given ?? join(await newDirectory(t), 'checkpoints');
  const lines: { event: string; customerId?: string; seq?: number }[] = [];
  let time = Date.now();
  const checkpoints = await startCheckpoints({
    db: {
      ...service.db,
      async lookUpAlone(partnerId, work) {
        const heads = await service.db.lookUpAlone(partnerId, work);
        if (partnerId === CONTOSO) await onRead();
        return heads;
      },
    },
    directory,
    key,
    minutes: 60,
    log: createLog('error', { write: (line) => void lines.push(JSON.parse(line)) }),
    now: () => new Date(time),
    everyMilliseconds: 3_600_000,
  });
  t.teardown(() => checkpoints.stop());
  return {
    directory,
    lines,
    runOnce: checkpoints.runOnce,
    stop: checkpoints.stop,
    /** A checkpoint of what is there now. */
    async next() {
      time += 61 * MINUTE;
      await checkpoints.runOnce();
    },
    wait(minutes: number) {
      time += minutes * MINUTE;
    },
    files: async (partnerId = CONTOSO) =>
      (await readdir(join(directory, partnerId))).filter((name) => name.endsWith('.checkpoint')).sort(),
  };
}

async function verify(directory: string, ...flags: string[]) {
  let [stdout, stderr] = ['', ''];
  const code = await run({
    argv: ['verify-log', '--checkpoints', directory, ...flags],
    environment: { DATABASE_URL: service.urls.app, DATA_DIR: t.testdirName, CHECKPOINT_KEY: keyText },
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    commands,
  });
  return { code, stdout, stderr, lines: stdout.trimEnd().split('\n') };
}

const rowsOf = (customerId: string) =>
  sql<ChainRow>('select * from activity_log where customer_id = $1 order by seq', [customerId]);

const setHead = (customerId: string, seq: number, head: Buffer) =>
  sql('update customers set log_seq = $2, log_head = $3 where customer_id = $1', [customerId, seq, head]);

/** Cuts the newest entries off and takes the customer's row with them, as who may do anything. */
async function cutAfter(customerId: string, seq: number): Promise<void> {
  await sql('delete from activity_log where customer_id = $1 and seq > $2', [customerId, seq]);
  const last = (await rowsOf(customerId)).at(-1);
  await setHead(customerId, seq, last?.hash ?? GENESIS);
}

/** Makes every hash from an entry on anew, after one of its fields was changed. */
async function rewriteFrom(customerId: string, seq: number): Promise<void> {
  let previous = GENESIS;
  for (const row of await rowsOf(customerId)) {
    if (row.seq === seq) row.new_value = 'forged';
    const hash = entryHash(row, previous);
    await sql(
      'update activity_log set new_value = $3, previous_hash = $4, hash = $5 where customer_id = $1 and seq = $2',
      [customerId, row.seq, row.new_value, previous, hash],
    );
    previous = hash;
  }
  await setHead(customerId, Number((await rowsOf(customerId)).at(-1)?.seq), previous);
}

/** The tampered customer must not trouble the tests that come after. */
async function restoring(customerId: string, work: () => Promise<void>): Promise<void> {
  const [rows, [head]] = [
    await rowsOf(customerId),
    await sql('select log_seq, log_head from customers where customer_id = $1', [customerId]),
  ];
  await work();
  await sql('delete from activity_log where customer_id = $1', [customerId]);
  for (const row of rows) {
    const names = Object.keys(row);
    await sql(
      `insert into activity_log (${names}) values (${names.map((_, index) => `$${index + 1}`)})`,
      Object.values(row),
    );
  }
  await setHead(customerId, head?.log_seq as number, head?.log_head as Buffer);
}

t.test('an intact log agrees with its checkpoints, while it goes on and when nothing happens', async (t) => {
  const customerId = await switched(3);
  const { directory, next, files } = await checkpointing(t);
  await next();
  await next();
  await switchOver(customerId, 1);
  await next();
  await switchOver(customerId, 1);
  t.same(await files(), ['000000001.checkpoint', '000000002.checkpoint', '000000003.checkpoint']);
  t.equal(
    (await readdir(join(directory, CONTOSO))).filter((name) => name.endsWith('.gz')).length,
    2,
    'one list for the first two',
  );
  const { code, lines } = await verify(directory);
  t.equal(code, EXIT.done, lines.join('\n'));
  t.match(lines.at(-1), /, 6 checkpoints verified$/, 'of both partners');
  t.match(await verify(directory, '--customer', customerId), { code: EXIT.done });
  t.match(await verify(directory, '--partner', FABRIKAM), { code: EXIT.done, stdout: /, 3 checkpoints verified\n$/ });
});

t.test('a tail that was cut with the head of the customer rewritten is found by a checkpoint alone', async (t) => {
  const customerId = await switched(5);
  const { directory, next, lines } = await checkpointing(t);
  await next();
  await restoring(customerId, async () => {
    await cutAfter(customerId, 3);
    t.match(await verify(await newDirectory(t)), { code: EXIT.usage, stderr: /holds no checkpoints/ });
    const { code, stdout } = await verify(directory);
    t.equal(code, EXIT.negative);
    t.match(
      stdout,
      `partner ${CONTOSO}, customer ${customerId}, entry 4: The log ends at entry 3, but checkpoint 1 of `,
    );
    t.match(stdout, / verified, 1 customers with a fault\n$/);
    t.equal((await verify(directory, '--customer', randomUUID())).code, EXIT.usage);
    t.same(lines, [], 'and nobody was told');
    await next();
    t.match(lines, [{ event: 'log_set_back', customerId, seq: 5 }], 'the next checkpoint says so');
    t.match(await verify(directory), { code: EXIT.negative }, 'and makes nothing good');
  });
  t.match(await verify(directory), { code: EXIT.done });
});

t.test('entries put in the place of those that were cut are found, also behind a later checkpoint', async (t) => {
  const customerId = await switched(4);
  const { directory, next } = await checkpointing(t);
  await next();
  await restoring(customerId, async () => {
    await rewriteFrom(customerId, 2);
    const found = `partner ${CONTOSO}, customer ${customerId}, entry 4: Entry 4 is not the one that checkpoint 1 of `;
    t.match((await verify(directory)).stdout, found);
    await switchOver(customerId, 2);
    await next();
    t.match((await verify(directory)).stdout, found, 'the log has grown over it');
  });
});

t.test('a customer whose log is gone altogether is found', async (t) => {
  const customerId = await switched(2);
  const { directory, next } = await checkpointing(t);
  await next();
  await restoring(customerId, async () => {
    await cutAfter(customerId, 0);
    t.match((await verify(directory)).stdout, `customer ${customerId}, entry 1: The log ends at entry 0`);
  });
});

t.test('a customer with a fault of its own is named once', async (t) => {
  const customerId = await switched(3);
  const { directory, next } = await checkpointing(t);
  await next();
  await restoring(customerId, async () => {
    await sql('delete from activity_log where customer_id = $1 and seq > 1', [customerId]);
    const { stdout } = await verify(directory);
    t.equal(stdout.split(customerId).length, 2, stdout);
    t.match(stdout, /1 customers with a fault/);
  });
});

t.test('the first bad checkpoint is named, and the log is held against the others', async (t) => {
  const customerId = await switched(1);
  const setUp = async (t: Test) => {
    const made = await checkpointing(t);
    for (let n = 0; n < 4; n++) {
      await switchOver(customerId, 1);
      await made.next();
    }
    const place = join(made.directory, CONTOSO);
    return { ...made, place, file: (number: number) => join(place, `00000000${number}.checkpoint`) };
  };
  const found = async (directory: string) => {
    const { code, stdout } = await verify(directory, '--partner', CONTOSO);
    t.equal(code, EXIT.negative, stdout);
    t.match(stdout, /, 1 partners with a bad checkpoint\n$/);
    return stdout.split('\n').filter((line) => line.includes(', checkpoint '));
  };
  const said = (number: number, text: RegExp) => [
    new RegExp(`^partner ${CONTOSO}, checkpoint ${number}: ${text.source}`),
  ];

  await t.test('changed', async (t) => {
    const { directory, file } = await setUp(t);
    const note = await readFile(file(2), 'utf8');
    await writeFile(file(2), note.replace(/^time 20/m, 'time 21'));
    t.match(await found(directory), said(2, /It is not signed/));
    await restoring(customerId, async () => {
      await cutAfter(customerId, 1);
      t.match((await verify(directory)).stdout, `customer ${customerId}, entry 2: `, 'by checkpoint 1');
    });
  });
  await t.test('by another key', async (t) => {
    const { directory, file } = await setUp(t);
    await rm(file(4));
    const other = await checkpointing(t, directory);
    t.ok(other);
    const foreign = await startCheckpoints({
      db: service.db,
      directory,
      key: generateKeyPairSync('ed25519').privateKey,
      minutes: 60,
      log: createLog('silent'),
      now: () => new Date(Date.now() + 24 * 60 * MINUTE),
      everyMilliseconds: 3_600_000,
    });
    await foreign.runOnce();
    t.teardown(() => foreign.stop());
    t.match(await found(directory), said(4, /It is not signed/));
    const own = join(directory, 'keys');
    const pems = await Promise.all((await readdir(own)).map((name) => readFile(join(own, name), 'utf8')));
    t.equal(pems.length, 2, 'both public keys lie beside them');
    const both = join(await newDirectory(t), 'both.pem');
    await writeFile(both, pems.join(''));
    t.match(await verify(directory, '--checkpoint-public-key', both), { code: EXIT.done });
  });
  await t.test('taken out', async (t) => {
    const { directory, file } = await setUp(t);
    await rm(file(3));
    t.match(await found(directory), said(4, /It comes after number 2: number 3 is missing/));
  });
  await t.test('taken away from the start, which may be the archive', async (t) => {
    const { directory, file } = await setUp(t);
    await rm(file(1));
    const { code, stdout } = await verify(directory, '--partner', CONTOSO);
    t.equal(code, EXIT.done);
    t.match(stdout, `partner ${CONTOSO} has checkpoints from number 2 on\n`);
  });
  await t.test('one in the place of another', async (t) => {
    const { directory, file } = await setUp(t);
    await copyFile(file(2), file(3));
    t.match(await found(directory), said(3, /It was signed as number 2/));
  });
  await t.test("another partner's", async (t) => {
    const { directory, file } = await setUp(t);
    await copyFile(join(directory, FABRIKAM, '000000003.checkpoint'), file(3));
    t.match(await found(directory), said(3, new RegExp(`It is one of partner ${FABRIKAM}`)));
  });
  await t.test('signed beside the chain', async (t) => {
    const { directory, file, stop } = await setUp(t);
    const other = await setUp(t);
    await copyFile(other.file(3), file(3));
    const list = (await readdir(other.place)).filter((name) => name.endsWith('.gz'));
    for (const name of list) await copyFile(join(other.place, name), join(directory, CONTOSO, name));
    t.match(await found(directory), said(3, /It does not follow from number 2/));
    await stop();
  });
  await t.test('its list changed, cut, or gone', async (t) => {
    for (const change of [
      (file: string) => writeFile(file, 'nothing packed'),
      (file: string) => writeFile(file, ''),
      (file: string) => appendFile(file, 'x'),
      (file: string) => rm(file),
      async (file: string) => {
        const leaves = gunzipSync(await readFile(file));
        leaves.writeUInt8(leaves.readUInt8(60) ^ 1, 60);
        await writeFile(file, gzipSync(leaves));
      },
    ]) {
      const { directory, place } = await checkpointing(t).then(async (made) => {
        await made.next();
        return { ...made, place: join(made.directory, CONTOSO) };
      });
      const list = (await readdir(place)).find((name) => name.endsWith('.gz')) ?? '';
      await change(join(place, list));
      t.match(await found(directory), said(1, /Its list of customers/));
    }
  });
});

t.test('a partner that is not in the database any more is named; a new one has no checkpoint yet', async (t) => {
  const { directory, next } = await checkpointing(t);
  await next();
  const gone = randomUUID();
  await mkdir(join(directory, gone));
  t.match(await verify(directory), {
    code: EXIT.negative,
    stdout: `partner ${gone} has checkpoints and is not in the database`,
  });
  t.match(await verify(directory, '--partner', gone), { code: EXIT.negative });
  t.match(await verify(directory, '--partner', CONTOSO), { code: EXIT.done });
  await rm(join(directory, FABRIKAM), { recursive: true });
  await rm(join(directory, gone), { recursive: true });
  t.match(await verify(directory), { code: EXIT.done, stdout: `partner ${FABRIKAM} has no checkpoint\n` });
});

t.test('a checkpoint is written when it is due, by one of several instances, and once more at the end', async (t) => {
  const customerId = await switched(1);
  const one = await checkpointing(t);
  await one.runOnce();
  await one.runOnce();
  one.wait(59);
  await one.runOnce();
  t.equal((await one.files()).length, 1, 'not before its time');
  const two = await checkpointing(t, one.directory);
  two.wait(30);
  await two.runOnce();
  t.equal((await two.files()).length, 1, "another instance's is as good");
  one.wait(2);
  two.wait(31);
  await Promise.all([one.runOnce(), two.runOnce()]);
  const both = (await one.files()).length;
  t.ok(both === 2 || both === 3, 'at once: one number goes to one of them');
  await switchOver(customerId, 1);
  await one.stop();
  t.equal((await one.files()).length, both + 1);
  t.match(await verify(one.directory), { code: EXIT.done });
  t.same([...one.lines, ...two.lines], []);
});

t.test('what an instance has logged is in its last checkpoint, whatever another one does meanwhile', async (t) => {
  const customerId = await switched(1);
  const numberOf = async (at: Awaited<ReturnType<typeof checkpointing>>) => (await at.files()).length;

  await t.test('with a clock that is ahead', async (t) => {
    const one = await checkpointing(t);
    const ahead = await checkpointing(t, one.directory);
    ahead.wait(1);
    await ahead.runOnce();
    await switchOver(customerId, 1);
    await one.stop();
    t.equal(await numberOf(one), 2);
    t.match(await verify(one.directory), { code: EXIT.done });
  });

  await t.test('with the number that it would have had', async (t) => {
    const steps = new EventEmitter();
    const read = once(steps, 'read');
    const goOn = once(steps, 'go on');
    const other = await checkpointing(t, undefined, async () => {
      steps.emit('read');
      await goOn;
    });
    const written = other.runOnce();
    await read;
    await switchOver(customerId, 1);
    const one = await checkpointing(t, other.directory, async () => {
      steps.emit('go on');
      await written;
    });
    await one.stop();
    t.equal(await numberOf(one), 2);
    t.match(await verify(one.directory), { code: EXIT.done });
    t.same(one.lines, []);
  });
});

t.test('what a killed instance left behind is no checkpoint, and goes away', async (t) => {
  const { directory, next, files } = await checkpointing(t);
  const place = join(directory, CONTOSO);
  await mkdir(place, { recursive: true });
  const [old, fresh] = [join(place, 'old.tmp'), join(place, 'fresh.tmp')];
  for (const file of [old, fresh]) await writeFile(file, 'half of it');
  const yesterday = new Date(Date.now() - 24 * 60 * MINUTE);
  await utimes(old, yesterday, yesterday);
  await next();
  t.same(await files(), ['000000001.checkpoint']);
  const left = (await readdir(place)).filter((name) => name.endsWith('.tmp'));
  t.same(left, ['fresh.tmp'], 'another instance may be at it');
});

t.test('a directory that cannot be written stops the start, and later on nothing but the checkpoint', async (t) => {
  const { directory, next, lines } = await checkpointing(t);
  const file = join(await newDirectory(t), 'file');
  await writeFile(file, 'x');
  await t.rejects(checkpointing(t, file), /^CHECKPOINT_DIR cannot be written/);
  await writeFile(join(directory, CONTOSO), 'in the way');
  await next();
  t.match(lines, [{ event: 'checkpoint_failed', partnerId: CONTOSO }]);
  t.same(await readdir(join(directory, FABRIKAM)).then((names) => names.length), 2, 'the other partner has its own');
});

t.test('the key is given in PEM or base64, or made once where that is allowed', async (t) => {
  const dataDir = await newDirectory(t);
  const pem = String(key.export({ type: 'pkcs8', format: 'pem' }));
  const load = (text?: string) =>
    loadCheckpointKey(loadConfig(text === undefined ? {} : { CHECKPOINT_KEY: text }, { dataDir }));
  for (const text of [pem, pem.replaceAll('\n', '\\n'), keyText]) t.ok((await load(text)).equals(key));
  const made = await load();
  t.ok((await load()).equals(made));
  t.equal(made.asymmetricKeyType, 'ed25519');
  t.ok(createPrivateKey(await readFile(join(dataDir, 'checkpoint-key.pem'))).equals(made));
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  for (const text of ['hunter2', String(rsa), pem.slice(0, 60)]) {
    await t.rejects(load(text), /^CHECKPOINT_KEY is not valid: Ed25519/);
  }
  const { directory, next } = await checkpointing(t);
  await next();
  const wrong = join(dataDir, 'wrong.pem');
  t.match(await verify(directory, '--checkpoint-public-key', wrong), { code: EXIT.usage, stderr: /cannot be read/ });
  await writeFile(wrong, 'hunter2');
  t.match(await verify(directory, '--checkpoint-public-key', wrong), {
    code: EXIT.usage,
    stderr: /holds no Ed25519 public key/,
  });
});
