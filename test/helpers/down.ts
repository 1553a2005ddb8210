import { removeCluster } from './cluster.js';

await removeCluster();
