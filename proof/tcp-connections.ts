import { readFileSync } from 'node:fs';

export interface TcpConnection {
  localPort: number;
  remotePort: number;
  established: boolean;
  inode: string;
}

const ESTABLISHED = '01';

/**
 * The IPv4 connections of this machine, as the system sees them.
 * Source: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
 */
export function listTcpConnections(): TcpConnection[] {
  const portOf = (address: string) => Number.parseInt(address.slice(address.indexOf(':') + 1), 16);
  return readFileSync('/proc/net/tcp', 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((row) => {
      const [, local = '', remote = '', state, , , , , , inode = ''] = row.trim().split(/\s+/);
      return { localPort: portOf(local), remotePort: portOf(remote), established: state === ESTABLISHED, inode };
    });
}
