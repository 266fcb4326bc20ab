/** vireo with its plain JavaScript kernels, whatever its default is. */
import { open as openVireo } from './vireo.mjs';

export { format, version } from './vireo.mjs';

export const open = (model) => openVireo({ ...model, kernels: 'js' });
