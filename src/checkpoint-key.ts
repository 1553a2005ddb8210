import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, ConfigError, describe } from './config.js';
import { keepSecret } from './lib/kept-secret.js';
import { readPublicKeys } from './nouns/activity-log/checkpoint-store.js';

const PUBLIC_KEY = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g;

/** @throws ConfigError */
function parsePrivateKey(text: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = text.includes('-----BEGIN')
      ? // Files of variables hold one line each.
        createPrivateKey(text.replaceAll('\\n', '\n'))
      : createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
  } catch {
    // What OpenSSL says of a wrong key helps nobody, and may quote it.
  }
  if (key?.asymmetricKeyType !== 'ed25519') {
    throw new ConfigError(`CHECKPOINT_KEY is not valid: ${describe('checkpointKey')}`);
  }
  return key;
}

/** The key that signs checkpoints: given, or made once in the data directory. @throws ConfigError */
export async function loadCheckpointKey(config: Config): Promise<KeyObject> {
  if (config.checkpointKey) return parsePrivateKey(config.checkpointKey);
  const make = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return parsePrivateKey(await keepSecret(config.dataDir, 'checkpoint-key.pem', make));
}

/**
 * Whose signatures under checkpoints count.
 * @param file PEM, of one key or several; by default the public half of CHECKPOINT_KEY, else what lies beside the
 *   checkpoints, which whoever can write there can replace
 * @throws ConfigError
 */
export async function loadTrustedKeys(
  config: Config,
  directory: string,
  file: string | undefined,
): Promise<KeyObject[]> {
  if (file === undefined && config.checkpointKey) return [createPublicKey(parsePrivateKey(config.checkpointKey))];
  const texts =
    file === undefined
      ? await readPublicKeys(directory)
      : [
          await readFile(file, 'utf8').catch((error: Error) => {
            throw new ConfigError(`The public key cannot be read: ${error.message}.`);
          }),
        ];
  const blocks = texts.flatMap((text) => text.match(PUBLIC_KEY) ?? []);
  try {
    const keys = blocks.map((block) => createPublicKey(block));
    if (keys.length > 0 && keys.every((key) => key.asymmetricKeyType === 'ed25519')) return keys;
  } catch {
    // Said below.
  }
  throw new ConfigError(`${file ?? join(directory, 'keys')} holds no Ed25519 public key in PEM.`);
}
