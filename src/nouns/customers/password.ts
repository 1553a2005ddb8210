import { randomInt } from 'node:crypto';

// Without characters that are easily taken for one another: the password is read off a screen once.
const CLASSES = ['ABCDEFGHJKLMNPQRSTUVWXYZ', 'abcdefghijkmnopqrstuvwxyz', '23456789', '!#$%*+-=?@_'] as const;
const ALL = CLASSES.join('');
const LENGTH = 20;

const pick = (characters: string) => characters.charAt(randomInt(characters.length));

/** A password of 20 random characters (over 120 bits), each of the four classes among them. */
export function newPassword(): string {
  const characters = [...CLASSES.map(pick), ...Array.from({ length: LENGTH - CLASSES.length }, () => pick(ALL))];
  for (let i = characters.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    const moved = characters[i] ?? '';
    characters[i] = characters[j] ?? '';
    characters[j] = moved;
  }
  return characters.join('');
}
