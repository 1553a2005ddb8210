import { clusterUrl } from './cluster.js';
import { prepareTemplate } from './database.js';

await prepareTemplate(await clusterUrl());
