import './look';
import { boot } from '../page/boot';
import { AdminPage } from './admin_page';

boot('admin', (client) => <AdminPage client={client} />);
