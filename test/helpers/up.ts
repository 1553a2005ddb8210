import { citusUrl } from './citus.js';
import { clusterUrl } from './cluster.js';
import { prepareTemplate } from './database.js';

if (citusUrl === undefined) await prepareTemplate(await clusterUrl());
