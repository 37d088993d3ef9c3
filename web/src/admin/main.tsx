import '../ui/tokens.css';
import '../ui/base.css';
import './admin.css';
import { boot } from '../page/boot';
import { AdminPage } from './admin_page';

boot('admin', (client) => <AdminPage client={client} />);
