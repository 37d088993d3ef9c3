/** The look of this page, in the order in which it applies. */
import '../ui/tokens.css';
import '../ui/base.css';
import './admin.css';
